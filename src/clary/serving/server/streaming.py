"""Sending an answer as user code makes it, from the thread that runs that code, no faster than the gateway reads.

granian queues without bound what a handler streams, but reads a file no faster than it can send it: so the pieces go
through a pipe that it is given as a file. `App` uses it for calls whose answer may come framed (`serving/pieces.py`).
"""

import fcntl
import os
import select
import struct
import sys
import termios
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

from clary.serving.pieces import FRAMED, frame
from clary.serving.server.invocation import Answer

OPEN_SECONDS = 5.0
"""How long the reader may take to open the pipe."""
DRAIN_SECONDS = 0.002


def is_wanted(headers: dict[str, str]) -> bool:
    """Whether the answer of a call with these headers may be streamed."""
    return headers.get(FRAMED[0]) == FRAMED[1]


def begun(answer: Answer) -> Answer:
    """With its first piece made, which may raise what user code raises; whole if there are no more."""
    if answer.pieces is None:
        return answer
    first = next(answer.pieces, None)
    return replace(answer, pieces=None if first is None else _onward(first, answer.pieces))


def _onward(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def whole(answer: Answer) -> Answer:
    """All pieces made, for a caller that wants them together."""
    return answer if answer.pieces is None else replace(answer, body=b"".join(answer.pieces), pieces=None)


class Outlet:
    """The pipe of one answer."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._writing, False)
        self._opened = False
        self._written = 0
        self._begun = time.monotonic()

    @property
    def file(self) -> str:
        """To be opened by the reader, until which our own reading end keeps the pipe."""
        return f"/proc/self/fd/{self._reading}"

    def send(self, pieces: Iterator[bytes]) -> None:
        """Blocks until all is read, or nobody reads, or user code fails: the answer then lacks its end."""
        try:
            for piece in pieces:
                if piece:
                    self._write(frame(piece))
            self._write(frame(b""))
        except BrokenPipeError:
            pass
        except Exception:
            # The border to user code, once more: its answer has begun and cannot become an error.
            traceback.print_exc(file=sys.stderr)
        finally:
            self._finish(pieces)

    def _write(self, data: bytes) -> None:
        """Raises `BrokenPipeError` when nobody reads any more."""
        rest = memoryview(data)
        while rest:
            self._look()
            _, ready, _ = select.select((), (self._writing,), (), None if self._opened else DRAIN_SECONDS)
            if ready:
                with suppress(BlockingIOError):
                    written = os.write(self._writing, rest)
                    self._written += written
                    rest = rest[written:]

    def _look(self) -> None:
        """What was read, was read by the reader: from then on the pipe is its own. Raises `BrokenPipeError`."""
        if self._opened:
            return
        if self._unread() < self._written:
            self._opened = True
            os.close(self._reading)
        elif time.monotonic() - self._begun > OPEN_SECONDS:
            raise BrokenPipeError

    def _finish(self, pieces: Iterator[bytes]) -> None:
        with suppress(BrokenPipeError):
            while not self._opened:
                self._look()
                time.sleep(DRAIN_SECONDS)
        os.close(self._writing)
        if not self._opened:
            os.close(self._reading)
        close: Callable[[], None] = getattr(pieces, "close", lambda: None)
        close()

    def _unread(self) -> int:
        told = fcntl.ioctl(self._reading, termios.FIONREAD, b"\0" * 4)
        return int(struct.unpack("i", told)[0])
