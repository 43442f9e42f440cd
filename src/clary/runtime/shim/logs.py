"""The instance's output, framed line by line into its log file in bounded memory."""

import errno
import os
from collections.abc import Callable

from clary.logfile import MAX_EVENT_BYTES, frame

PATIENCE = 0.5
"""Seconds that an unfinished line waits for its end before it is logged as it is."""


class LogPump:
    """Turns chunks of output into framed events. `read` sees every line that was logged; it returns notices."""

    def __init__(self, path: str, cap: int, read: Callable[[list[bytes], float], list[bytes]]) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._left = cap
        self._cap = cap
        self._read = read
        self._partial = b""
        self._since: float | None = None
        self._torn = False
        self._last = 0

    @property
    def deadline(self) -> float | None:
        """When `flush` wants to be called, because an unfinished line has waited long enough."""
        return None if self._since is None else self._since + PATIENCE

    def feed(self, chunk: bytes, now: float) -> None:
        """Take output as it came; whole lines are written at once."""
        *lines, self._partial = (self._partial + chunk).split(b"\n")
        if len(self._partial) >= MAX_EVENT_BYTES:
            *pieces, self._partial = _pieces(self._partial)
            lines += pieces
        if lines:
            self._since = None
            self._emit(lines, now)
        if not self._partial:
            self._since = None
        elif self._since is None:
            self._since = now

    def flush(self, now: float) -> None:
        """Write the unfinished line, so that progress shows."""
        if self._partial:
            self._emit([self._partial], now)
        self._partial = b""
        self._since = None

    def note(self, text: str, now: float) -> None:
        """Write a line of the shim's own, past the cap too."""
        self._write(frame(self._stamp(now), text.encode()))

    def close(self, now: float) -> None:
        """Write what is left."""
        self.flush(now)
        os.close(self._fd)

    def _emit(self, lines: list[bytes], now: float) -> None:
        if self._left > 0:
            self._log(lines, now)
        for notice in self._read(lines, now):
            self.note(notice.decode(), now)

    def _log(self, lines: list[bytes], now: float) -> None:
        stamp = self._stamp(now)
        if max(map(len, lines)) > MAX_EVENT_BYTES:
            lines = [piece for line in lines for piece in _pieces(line)]
        block = b"".join([frame(stamp, line) for line in lines])
        if len(block) > self._left:
            self._write(block[: block.rfind(b"\n", 0, self._left) + 1])
            self._left = 0
            self.note(f"Clary: the log reached its limit of {self._cap} bytes; further output is dropped.", now)
            return
        self._left -= len(block)
        self._write(block)

    def _stamp(self, now: float) -> int:
        # Readers search the file by time, so a clock set back must not show.
        self._last = max(self._last, int(now * 1000))
        return self._last

    def _write(self, block: bytes) -> None:
        # A full disk must not end the job's process or block its output: what does not fit is dropped.
        view = memoryview(b"\n" + block if self._torn else block)
        while view:
            try:
                written = os.write(self._fd, view)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                    raise
                self._torn = self._torn or len(view) < len(block)
                return
            view = view[written:]
        self._torn = False


def _pieces(line: bytes) -> list[bytes]:
    return [line[at : at + MAX_EVENT_BYTES] for at in range(0, len(line), MAX_EVENT_BYTES)] or [b""]
