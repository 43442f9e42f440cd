"""Where shims come from: one small process that has imported all that a shim needs, and forks one for each instance.

A fork takes a millisecond, a fresh interpreter thirty. `shims.py` starts it with the first instance; it ends with the
process that started it, and the shims it made go on.
"""

import contextlib
import gc
import os
import signal
import socket

from clary.runtime.shim import instance

CALLS = 3
"""Descriptor of the socket on which calls come: an instance's command line, and its lock beside it."""
TITLE_BYTES = 4096
"""Room that the command line has to have, so that each shim can show its own there."""


def main(_: str) -> None:
    """Make a shim at every call, until the caller is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    calls = socket.socket(fileno=CALLS)
    gc.freeze()
    serve(calls)


def serve(calls: socket.socket) -> bool:
    """A call without a lock only says that somebody is there. `False` once nobody is, `True` after as long as `calls`
    waits."""
    while True:
        try:
            call, locks, _flags, _address = socket.recv_fds(calls, 2 * TITLE_BYTES, 1)
        except TimeoutError:
            return True
        if not call:
            return False
        for lock in locks:
            # No room for one more process: the lock is let go of, which says that nothing was started.
            with contextlib.suppress(OSError):
                if os.fork() == 0:
                    calls.detach()
                    _be_shim(call, lock)
            os.close(lock)


def _be_shim(call: bytes, lock: int) -> None:
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(lock, CALLS)
        os.close(lock)
        show(call)
        instance.main(os.fsdecode(call.split(b"\0")[-2]))
    finally:
        os._exit(0)


def show(title: bytes) -> None:
    """Let `ps` and everyone who looks for processes see a command line of their own, its words ended by zeros."""
    with open("/proc/self/stat", "rb") as file:
        start, end = map(int, file.read().rpartition(b")")[2].split()[45:47])
    with contextlib.suppress(OSError), open("/proc/self/mem", "r+b", buffering=0) as memory:
        memory.seek(start)
        memory.write(title[: end - start - 1].ljust(end - start, b"\0"))
