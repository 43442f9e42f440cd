"""Reading a log file (`clary.logfile`) by byte offset and by time, with memory bounded by one block.

Called by the log operations. A shim may append while we read: only complete lines count, so every position that
leaves this module is the start of a line and stays one for ever.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from clary.logfile import parse

BLOCK = 64 * 1024


class Event(NamedTuple):
    """One line. `start` and `end` are its byte offsets; the next line starts at `end`."""

    timestamp: int
    message: str
    start: int
    end: int


class Extent(NamedTuple):
    """What is known of a file without reading it whole. Times are None while it holds no event."""

    size: int
    first: int | None
    last: int | None


def extent(path: Path) -> Extent:
    """Size, first and last event time; a file not there yet is empty."""
    try:
        with path.open("rb") as file:
            stop = complete(file)
            first = next(forward(file, 0, stop), None)
            last = next(backward(file, 0, stop), None)
    except FileNotFoundError:
        return Extent(0, None, None)
    return Extent(stop, first and first.timestamp, last and last.timestamp)


def complete(file: BinaryIO) -> int:
    """The offset just after the last complete line."""
    at = os.fstat(file.fileno()).st_size
    while at > 0:
        start = max(0, at - BLOCK)
        file.seek(start)
        newline = file.read(at - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        at = start
    return 0


def is_line_start(file: BinaryIO, offset: int) -> bool:
    """Whether an offset a client handed back is a position that we may have handed out."""
    if offset == 0:
        return True
    file.seek(offset - 1)
    return file.read(1) == b"\n"


def forward(file: BinaryIO, start: int, stop: int) -> Iterator[Event]:
    """Events of `[start, stop)` in file order. Both are line starts."""
    file.seek(start)
    at, rest, stamp = start, b"", 0
    while at + len(rest) < stop:
        # The position is set on every block: a consumer may read elsewhere between two events.
        file.seek(at + len(rest))
        block = file.read(min(BLOCK, stop - at - len(rest)))
        if not block:
            return
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            stamp, message = _read(line, stamp)
            yield Event(stamp, message, at, at + len(line) + 1)
            at += len(line) + 1


def backward(file: BinaryIO, start: int, stop: int) -> Iterator[Event]:
    """Events of `[start, stop)`, newest first. Both are line starts."""
    at, rest, stamp = stop, b"", 0
    while at > start:
        size = min(BLOCK, at - start)
        at -= size
        file.seek(at)
        rest = file.read(size) + rest
        # The first line of a block may have begun before it: keep it for the next round.
        head = rest.find(b"\n") + 1 if at > start else 0
        if at > start and head == len(rest):
            continue
        rest, body = rest[:head], rest[head:]
        end = at + head + len(body)
        for line in reversed(body.split(b"\n")[:-1]):
            stamp, message = _read(line, stamp)
            yield Event(stamp, message, end - len(line) - 1, end)
            end -= len(line) + 1


def at_time(file: BinaryIO, stop: int, milliseconds: int) -> int:
    """Where the first event at or after this time starts; `stop` if there is none. Needs a file in time order."""
    low, high = 0, stop
    while high - low > BLOCK:
        event = _line_after(file, (low + high) // 2, high)
        if event is None:
            break
        if event.timestamp < milliseconds:
            low = event.end
        else:
            high = event.start
    return next((event.start for event in forward(file, low, stop) if event.timestamp >= milliseconds), stop)


def _line_after(file: BinaryIO, offset: int, stop: int) -> Event | None:
    """The first event that starts after `offset`, if it starts before `stop`."""
    file.seek(offset)
    file.readline()
    start = file.tell()
    return next(forward(file, start, stop), None) if start < stop else None


def _read(line: bytes, before: int) -> tuple[int, str]:
    """A line without a readable time takes its neighbour's: a torn write must not hide the rest of the file."""
    try:
        return parse(line)
    except ValueError:
        return before, line.decode("utf-8", "replace")
