"""The processes of a model server: forked from one that only watches them, and replaced when they die.

Until one of them has loaded the model, a worker that dies ends the server.
"""

import gc
import logging
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from clary.serving.server.app import App
from clary.serving.server.config import Config
from clary.serving.server.front import Front

BACKLOG = 4096
"""Connections that wait to be accepted."""
PAUSE_SECONDS = 0.1
"""Before a worker that died is replaced."""
LOADED = b"\0"
"""No signal has this number."""

logger = logging.getLogger(__name__)
Load = Callable[[Config], App]


def serve(config: Config, load: Load) -> int:
    """Until a signal, or until the model cannot be loaded; the status to end with."""
    return Workers(config, load).run()


class Workers:
    """Made in a process without threads, which `run` then holds until the server ends."""

    def __init__(self, config: Config, load: Load) -> None:
        self._config = config
        self._load = load
        self._door = _listen(config.socket)
        self._alive: set[int] = set()
        self._is_loaded = False
        self._ending = False
        self._news, self._tell = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        """A byte for each signal, and `LOADED` of each worker."""

    def run(self) -> int:
        signal.set_wakeup_fd(self._tell, warn_on_full_buffer=False)
        for kind in (signal.SIGTERM, signal.SIGINT):
            signal.signal(kind, self._end)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        late = time.monotonic() + self._config.startup_seconds
        for _ in range(self._config.workers):
            self._fork()
        while not self._ending:
            self._wait(None if self._is_loaded else late - time.monotonic())
            dead = self._reap()
            if not self._is_loaded and (dead or time.monotonic() >= late):
                return self._fail(dead)
            for _ in range(dead):
                time.sleep(PAUSE_SECONDS)
                self._fork()
        return self._finish()

    def _end(self, *_: object) -> None:
        self._ending = True

    def _wait(self, seconds: float | None) -> None:
        """For a signal or a model that was loaded, at most so long."""
        select.select((self._news,), (), (), seconds and max(0.0, seconds))
        with suppress(BlockingIOError):
            self._is_loaded |= LOADED in os.read(self._news, 1024)

    def _reap(self) -> int:
        """How many workers have died since the last look."""
        before = len(self._alive)
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                self._alive.discard(found[0])
        return before - len(self._alive)

    def _fail(self, dead: int) -> int:
        if not dead:
            seconds = self._config.startup_seconds
            logger.error("The model was not loaded within %g seconds (SAGEMAKER_STARTUP_TIMEOUT)", seconds)
        self._kill()
        return 1

    def _finish(self) -> int:
        """Calls in hand are answered first."""
        for worker in self._alive:
            os.kill(worker, signal.SIGTERM)
        end = time.monotonic() + self._config.timeout
        while self._alive and (left := end - time.monotonic()) > 0:
            self._wait(left)
            self._reap()
        self._kill()
        return 0

    def _kill(self) -> None:
        for worker in self._alive:
            os.kill(worker, signal.SIGKILL)
            os.waitpid(worker, 0)

    def _fork(self) -> None:
        # In the new process a stop must not go to the handler of this one, which knows nothing of it.
        kinds = (signal.SIGTERM, signal.SIGINT)
        signal.pthread_sigmask(signal.SIG_BLOCK, kinds)
        worker = os.fork()
        if not worker:
            signal.set_wakeup_fd(-1)
            for kind in (*kinds, signal.SIGCHLD):
                signal.signal(kind, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, kinds)
        if not worker:
            self._be_worker()
        self._alive.add(worker)

    def _be_worker(self) -> None:
        status = 1
        try:
            app = self._load(self._config)
            # What lives as long as the process need not be looked at by every collection.
            gc.freeze()
            alone = self._config.workers == 1
            front = Front(self._door, app, self._config.timeout, stuck=lambda: os._exit(1), alone=alone)
            for kind in (signal.SIGTERM, signal.SIGINT):
                signal.signal(kind, lambda *_: front.end())
            os.write(self._tell, LOADED)
            front.run()
            status = 0
        except BaseException:
            traceback.print_exc(file=sys.stderr)
        finally:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)


def _listen(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(path))
    door.listen(BACKLOG)
    return door
