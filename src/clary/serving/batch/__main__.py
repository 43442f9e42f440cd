"""What the process of a driver runs: `main(folder)`. Descriptor 3 is the lock that says that it lives."""

import sys
from pathlib import Path

from clary.serving.batch.drive import drive


def main(folder: str) -> None:
    drive(Path(folder))


if __name__ == "__main__":
    main(sys.argv[1])
