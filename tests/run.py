"""`make test`: the whole suite, in parallel, with one closing line that tells how it went.

Refuses to look green when nothing ran: pytest's own exit code for that is kept.
"""

import os
import sys

import pytest

WORKERS = str(min(os.cpu_count() or 1, 4))


def main() -> int:
    # Journeys and other tests of one group share a server; everything else goes where there is room.
    return int(pytest.main(["-n", WORKERS, "--dist", "loadgroup", *sys.argv[1:]]))


if __name__ == "__main__":
    sys.exit(main())
