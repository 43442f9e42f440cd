"""The answers of one object in the order of its payloads, in one file; an object that fails leaves none.

Threads put answers as they come. What cannot be written yet is held, so whoever calls bounds how many are on their way.
"""

import os
import threading
from pathlib import Path
from typing import BinaryIO


class Output:
    """Of one object. `line`: each answer ends its line."""

    def __init__(self, path: Path, *, line: bool) -> None:
        self.path = path
        self.failed = False
        self._line = line
        self._guard = threading.Lock()
        self._file: BinaryIO | None = None
        self._held: dict[int, bytes] = {}
        self._next = 0
        self._count: int | None = None
        self._over = False

    def put(self, number: int, answer: bytes) -> int:
        """The answer to the payload of this number, from 0. How many are no longer held by it. Raises `OSError`."""
        with self._guard:
            if self._over:
                return 1
            self._held[number] = answer
            before = self._next
            while self._next in self._held:
                self._write(self._held.pop(self._next))
                self._next += 1
            return self._next - before

    def adopt(self) -> None:
        """The answer to the only payload is in the file already."""
        with self._guard, self.path.open("r+b") as file:
            if self._line and file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            self._next = 1

    def end(self, count: int) -> None:
        """There are so many payloads."""
        with self._guard:
            self._count = count

    def fail(self) -> int | None:
        """How many answers were held and are dropped; `None` when it was over already. The file goes."""
        with self._guard:
            if self._over:
                return None
            self.failed = self._over = True
            dropped = len(self._held)
            self._held.clear()
            if self._file:
                self._file.close()
            self.path.unlink(missing_ok=True)
            return dropped

    def close(self) -> bool:
        """Whether the file is whole, and is so by this call."""
        with self._guard:
            if self._over or self._next != self._count:
                return False
            if not self._count:
                self.path.touch()
            if self._file:
                self._file.close()
            self._over = True
            return True

    def _write(self, answer: bytes) -> None:
        self._file = self._file or self.path.open("wb")
        self._file.write(answer)
        if self._line and not answer.endswith(b"\n"):
            self._file.write(b"\n")
