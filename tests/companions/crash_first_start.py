"""Run by `test_iam_crash.py`: kills a first start at its n-th line, for every n, and starts again.

Arguments: a folder, and a migrated SQLite file to copy. Prints what each second start left, once per different outcome.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from clary.companions.iam import KeyRing
from clary.companions.iam.bootstrap import first_start
from clary.resources.store import Store
from clary.settings import Settings

KILLED = 9
WITH_EFFECTS = ("/iam/bootstrap.py", "/iam/master.py")
"""Where a first start writes; each of its store calls is one transaction."""


def start(home: Path) -> Store:
    store = Store(f"sqlite:///{home}/clary.db")
    first_start(Settings(home=home), store, KeyRing(store, home / "secrets"))
    return store


def killing_at(line: int) -> Callable[..., Any]:
    """A trace function that ends the process at the n-th line with effects that it comes to for the first time."""
    seen = set()

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if not frame.f_code.co_filename.endswith(WITH_EFFECTS):
            return None
        if event == "line":
            seen.add((frame.f_code.co_filename, frame.f_lineno))
        if len(seen) == line:
            os._exit(KILLED)
        return trace

    return trace


def in_child(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die(home: Path, line: int) -> None:
    sys.settrace(killing_at(line))
    start(home)


def tell(home: Path) -> None:
    """What there is after a whole start: that the printed key signs, and how many roles and keys there are."""
    store = start(home)
    printed = json.loads((home / "secrets/credentials.json").read_text())
    key = KeyRing(store, home / "secrets").find(printed["access_key"], None)
    with store.read() as conn:
        counts = conn.exec_driver_sql("SELECT kind, count(*) FROM records GROUP BY kind ORDER BY kind").all()
    print(
        json.dumps([key.secret == printed["secret"], key.principal.arn, dict(tuple(row) for row in counts)]), flush=True
    )


def main(folder: Path, database: Path) -> None:
    line, killed = 1, True
    while killed:
        home = folder / str(line)
        home.mkdir()
        shutil.copy(database, home / "clary.db")
        killed = in_child(lambda: die(home, line)) == KILLED  # noqa: B023
        assert in_child(lambda: tell(home)) == 0  # noqa: B023
        line += 1
    print(line)


main(Path(sys.argv[1]), Path(sys.argv[2]))
