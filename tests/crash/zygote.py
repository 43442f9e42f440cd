"""Controllers that start in a moment and die on the spot: forked from a process that has imported everything.

Run by `controllers.py`. Each line on stdin starts one; its process id comes back as a line. The line is `0`, or the
record and number of a write: the controller then kills itself before the n-th thing that it changes for that record.
"""

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import traceback
from typing import Any

from clary import controller
from clary.app import assemble
from clary.parental import end_with_parent
from clary.resources.runner import Runner
from clary.settings import load

EFFECTS = frozenset(
    {
        *("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.chmod", "os.truncate"),
        *("os.posix_spawn", "os.kill", "sqlite3.connect", "subprocess.Popen"),
    }
)
_mine = threading.local()


def main() -> None:
    faulthandler.enable()
    for line in sys.stdin:
        record, _, number = line.strip().partition(" ")
        parent = os.getpid()
        child = os.fork()
        if child == 0:
            end_with_parent(parent)
            if number:
                kill_before(record, int(number))
            run()
        print(child, flush=True)
        reap()


def reap() -> None:
    """All that have ended. The newest may be among them, and nobody left to wait for."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue


def run() -> None:
    settings = load()
    try:
        controller._run(assemble(settings), settings)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def kill_before(record: str, number: int) -> None:
    """End this process in place of the `number`th change that it makes on behalf of the record."""
    left = number

    def count() -> None:
        nonlocal left
        if getattr(_mine, "key", "") == record:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in EFFECTS or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
            count()

    work = Runner._once

    def once(runner: Runner, key: str) -> None:
        _mine.key = key
        work(runner, key)
        _mine.key = ""

    Runner._once = once  # type: ignore[method-assign]
    sys.addaudithook(hook)
    _count_commits(count)


def _count_commits(count: Any) -> None:
    from sqlalchemy import Engine, event

    event.listen(Engine, "commit", lambda conn: count())


if __name__ == "__main__":
    main()
