"""`make benchmarks`: all of them, or those named, one after the other; then writes `docs/performance.md`."""

import importlib
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import table

ALL = ("start", "api", "s3")
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"


def main(names: list[str]) -> int:
    """A partial run prints and leaves the page as it is."""
    tables: dict[str, list[table.Line]] = {}
    for name in names or ALL:
        print(f"{name} ...", file=sys.stderr, flush=True)
        module = importlib.import_module(f"benchmarks.{name}")
        tables[module.TITLE] = module.measure()
    text = table.page(tables, time.strftime("%Y-%m-%d"))
    print(text)
    if not names:
        PAGE.write_text(text)
    return int(any(line.held is False for lines in tables.values() for line in lines))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
