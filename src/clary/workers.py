"""`python -m clary.workers`: the server's worker processes. Started by `clary up`, settings by `CLARY_*` variables.

Workers are identical, share the port and hold no state. Each has a listening socket of its own (SO_REUSEPORT), which
this process made and keeps: connections that wait at one whose worker died are answered by the next worker there.
"""

import asyncio
import gc
import logging
import os
import resource
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import Any

from clary.parental import end_with_parent
from clary.settings import Settings, load
from clary.wire.http.listening import listen

GRACE_SECONDS = 10.0
"""How long requests that are being answered may go on at the end."""
PATIENCE = 12.0
"""Seconds after which a worker that was asked to end is killed."""
BACKOFF = 1.0
"""Seconds between the starts of a worker that keeps dying."""
CONNECTIONS = 20_000
BACKLOG = 4096
"""Of connections that wait to be let in."""
OTHER_FILES = 1000
"""A worker's own: the store, the models' sockets, objects that are being read."""
STOPS = (signal.SIGTERM, signal.SIGINT)
CANNOT_START = 3
"""Exit code of a worker whose application could not be built: the next one would fare no better."""


def main() -> None:
    end_with_parent(int(os.environ.get("CLARY_PARENT", os.getppid())))
    settings = load()
    _allow_files()
    sys.exit(Workers(settings).run())


class Workers:
    """Starts them, replaces those that die, ends them."""

    def __init__(self, settings: Settings) -> None:
        self._doors = [_listen(settings) for _ in range(settings.workers)]
        self._running: dict[int, int] = {}
        """The number of each worker's door, by process id."""
        self._due = dict.fromkeys(range(settings.workers), 0.0)
        """When a door gets its next worker, of those that have none."""
        self._started: dict[int, float] = {}
        self._ending = False
        self._code = 0
        self._wakeup, write = os.pipe()
        for end in (self._wakeup, write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in STOPS:
            signal.signal(number, self._ask)

    def run(self) -> int:
        """To the end; the exit code."""
        while not self._ending:
            self._start_due()
            self._wait(min([60.0, *(due - time.monotonic() for due in self._due.values())]))
            self._reap()
        for door in self._doors:
            door.close()
        self._tell(signal.SIGTERM)
        end = time.monotonic() + PATIENCE
        while self._running and time.monotonic() < end:
            self._wait(end - time.monotonic())
            self._reap()
        self._tell(signal.SIGKILL)
        return self._code

    def _start_due(self) -> None:
        now = time.monotonic()
        for number in [number for number, due in self._due.items() if due <= now]:
            self._due.pop(number)
            self._started[number] = now
            self._running[self._fork(number)] = number

    def _fork(self, number: int) -> int:
        parent = os.getpid()
        if pid := os.fork():
            return pid
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for kind in (signal.SIGCHLD, *STOPS):
                signal.signal(kind, signal.SIG_DFL)
            end_with_parent(parent)
            os.close(self._wakeup)
            for other, door in enumerate(self._doors):
                if other != number:
                    door.close()
            code = _work(self._doors[number])
        except SystemExit:
            code = 0
        except Exception:
            sys.excepthook(*sys.exc_info())
        finally:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                number = self._running.pop(pid)
                self._due[number] = self._started[number] + BACKOFF
                if os.waitstatus_to_exitcode(status) == CANNOT_START:
                    self._ending, self._code = True, CANNOT_START

    def _wait(self, seconds: float) -> None:
        if select.select([self._wakeup], [], [], max(seconds, 0))[0]:
            os.read(self._wakeup, 4096)

    def _tell(self, kind: signal.Signals) -> None:
        for pid in self._running:
            os.kill(pid, kind)

    def _ask(self, *_: object) -> None:
        self._ending = True


def _listen(settings: Settings) -> socket.socket:
    try:
        return listen(settings.host, settings.port, BACKLOG)
    except OSError as error:
        sys.exit(f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}")


def _allow_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _connections() -> int:
    """How many a worker holds at once, idle ones too: past it nobody is let in, so as many as it may have files for."""
    return max(1, min(CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - OTHER_FILES))


def _work(door: socket.socket) -> int:
    """In a worker. The import stays here: the process that only watches them should stay small."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        from clary.app import server

        made = server()
    except Exception:
        sys.excepthook(*sys.exc_info())
        return CANNOT_START
    # What lives as long as the process need not be looked at by every collection, nor each page of a list bring one.
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
    asyncio.run(_serve(made, door))
    made.end()
    return 0


async def _serve(application: Any, door: socket.socket) -> None:
    from clary.wire.http.door import Door

    asked = asyncio.Event()
    for number in STOPS:
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    entrance = Door(application, door, _connections())
    entrance.open()
    await asked.wait()
    await entrance.close(GRACE_SECONDS)


if __name__ == "__main__":
    main()
