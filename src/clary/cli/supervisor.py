"""Keeps the processes of `clary up` running: starts them, restarts those that die, stops them all at the end.

Knows nothing of what they do and imports none of it, so that the parent stays small.
"""

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from types import FrameType

BACKOFF = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds before the first, second, ... restart of a process that keeps dying."""
SETTLED = 30.0
"""A process that lived so long starts over in `BACKOFF`."""
PATIENCE = 15.0
"""Seconds between SIGTERM and SIGKILL at the end."""


class Child:
    """One supervised process."""

    def __init__(self, name: str, command: list[str], environ: Mapping[str, str]) -> None:
        self.name = name
        self._command = command
        self._environ = environ
        self._deaths = 0
        self.died = False
        """Whether it ever did, unasked."""
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self.due: float | None = 0.0
        """When to start it, on the monotonic clock; `None` while it runs."""

    def start(self) -> None:
        # Its own session: a Ctrl-C at the terminal reaches the supervisor alone, which then decides the order.
        self._process = subprocess.Popen(self._command, env=self._environ, start_new_session=True)
        self._started = time.monotonic()
        self.due = None

    def check(self, now: float) -> str | None:
        """Notice a death: plans the restart and says what happened."""
        if self._process is None or (code := self._process.poll()) is None:
            return None
        self._deaths = 0 if now - self._started > SETTLED else self._deaths
        self._process, self.died = None, True
        wait = BACKOFF[min(self._deaths, len(BACKOFF) - 1)]
        self._deaths += 1
        self.due = now + wait
        return f"The {self.name} ended with {_cause(code)}; starting it again" + (f" in {wait:g} s" if wait else "")

    def stop(self, kind: signal.Signals = signal.SIGTERM) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(kind)

    def wait(self, seconds: float) -> None:
        """Until it has ended; kills it after `seconds`."""
        if self._process is None:
            return
        try:
            self._process.wait(max(seconds, 0))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Supervisor:
    """Runs children until asked to end by SIGINT or SIGTERM; a second signal cuts the graceful stop short."""

    def __init__(self, children: list[Child], say: Callable[[str], None]) -> None:
        self._children = children
        self._say = say
        self._asked = 0
        self._wakeup, write = os.pipe()
        for end in (self._wakeup, write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for kind in (signal.SIGINT, signal.SIGTERM):
            signal.signal(kind, self._ask)

    @property
    def ending(self) -> bool:
        return self._asked > 0

    @property
    def any_died(self) -> bool:
        """Whether any child has ended unasked."""
        return any(child.died for child in self._children)

    def step(self, longest: float) -> None:
        """Start what is due, notice deaths, then sleep until a signal, the next restart, or `longest` seconds."""
        now = time.monotonic()
        for child in self._children:
            if news := child.check(now):
                self._say(news)
            if child.due is not None and child.due <= now:
                child.start()
        pending = [child.due - now for child in self._children if child.due is not None]
        self.pause(min([longest, *pending]))

    def pause(self, seconds: float) -> None:
        """Sleep, unless a signal comes."""
        if select.select([self._wakeup], [], [], max(seconds, 0))[0]:
            os.read(self._wakeup, 4096)

    def run(self) -> None:
        while not self.ending:
            self.step(60.0)

    def stop(self) -> None:
        """End the children in the order they were given."""
        for child in self._children:
            child.stop()
        end = time.monotonic() + PATIENCE
        for child in self._children:
            child.wait(end - time.monotonic())

    def _ask(self, _signal: int, _frame: FrameType | None) -> None:
        self._asked += 1
        if self._asked > 1:
            for child in self._children:
                child.stop(signal.SIGKILL)


def _cause(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
