"""How many calls a serverless variant has at once, over all server processes of this machine.

One file for each variant: byte k is locked while a call holds slot k, and the k-th number in it says when the slot was
last in use. Locks are the open file's (OFD), so those of a killed process are let go of by the kernel. The controller
reads the file: slots are what it sizes the variant by, and slot k's call goes to instance k.
"""

import fcntl
import os
import struct
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

_LOCK = struct.Struct("hhqqi4x")
"""`struct flock` of 64-bit Linux: type, whence, start, length, pid."""
_TIME = struct.Struct("<d")


class Slot(NamedTuple):
    held: bool
    used: float
    """Epoch seconds when it was last taken or given back; 0: never."""


class Slots:
    """The calls of this process. Used from one thread."""

    def __init__(self, file: Path, clock: Callable[[], float] = time.time) -> None:
        """Raises `FileNotFoundError` when the folder is gone."""
        self._fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._clock = clock
        self.mine: set[int] = set()

    def take(self, order: Iterable[int]) -> int | None:
        """The first slot in this order that nobody holds; `None` when all are held."""
        for slot in order:
            if slot not in self.mine and _set(self._fd, fcntl.F_WRLCK, slot):
                self.mine.add(slot)
                self._stamp(slot)
                return slot
        return None

    def give(self, slot: int) -> None:
        self._stamp(slot)
        self.mine.discard(slot)
        _set(self._fd, fcntl.F_UNLCK, slot)

    def close(self) -> None:
        os.close(self._fd)

    def _stamp(self, slot: int) -> None:
        os.pwrite(self._fd, _TIME.pack(self._clock()), slot * _TIME.size)


def look(file: Path, most: int) -> list[Slot]:
    """The first `most` slots as they are now, whoever holds them; none where nobody has ever called."""
    try:
        fd = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    try:
        times = os.pread(fd, most * _TIME.size, 0)
        held = _held(fd, most)
    finally:
        os.close(fd)
    whole = len(times) // _TIME.size
    return [
        Slot(slot in held, _TIME.unpack_from(times, slot * _TIME.size)[0] if slot < whole else 0.0)
        for slot in range(most)
    ]


def _set(fd: int, kind: int, slot: int) -> bool:
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _LOCK.pack(kind, os.SEEK_SET, slot, 1, 0))
    except (BlockingIOError, PermissionError):
        return False
    return True


def _held(fd: int, most: int) -> set[int]:
    """Asked for without taking a lock, which would keep a call from its slot."""
    found, start = set[int](), 0
    while start < most:
        asked = _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, most - start, 0)
        kind, _, first, length, _ = _LOCK.unpack(fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked))
        if kind == fcntl.F_UNLCK:
            break
        end = most if length == 0 else min(most, first + length)
        found.update(range(max(first, start), end))
        start = end
    return found
