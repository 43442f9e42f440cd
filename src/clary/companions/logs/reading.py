"""Pages of events: GetLogEvents over one stream, FilterLogEvents over many.

Tokens are positions, so they resume for ever, survive restarts and come back unchanged while nothing is new.
"""

import heapq
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from clary.companions.logs.files import BLOCK, Event, at_time, backward, complete, forward, is_line_start
from clary.companions.logs.store import Stream
from clary.wire.errors import AwsError

PAGE_EVENTS = 10_000
PAGE_BYTES = 1024 * 1024
EVENT_OVERHEAD = 26
"""AWS counts this many bytes for each event beside its text."""

SCAN_BYTES = 16 * 1024 * 1024
"""How much of the logs one FilterLogEvents call reads before it hands back a token instead."""

MOST_AHEAD = 2 * 3600 * 1000 + 60_000
"""An event's time is at most two hours after it was written, in milliseconds; PutLogEvents refuses later ones."""

FOREVER = 1 << 62
TOKEN = re.compile(r"([fb])/(\d{20})")


class Span(NamedTuple):
    """Times in epoch milliseconds: from `start`, up to but not including `end`."""

    start: int
    end: int

    def holds(self, event: Event) -> bool:
        return self.start <= event.timestamp < self.end


class Page(NamedTuple):
    """Events of one stream in file order; `before` and `after` are the byte offsets around them."""

    events: list[Event]
    before: int
    after: int


def page(stream: Stream, span: Span, limit: int, token: str | None, from_head: bool) -> tuple[list[Event], str, str]:
    """The events, the forward token and the backward token. Raises InvalidParameterException for a strange token."""
    direction, offset = _position(token) if token else ("f" if from_head else "b", None)
    try:
        with stream.path.open("rb") as file:
            found = _read(file, stream.ordered, span, limit, direction, offset)
    except FileNotFoundError:
        found = Page([], offset or 0, offset or 0)
    return found.events, f"f/{found.after:020d}", f"b/{found.before:020d}"


def _read(file: BinaryIO, ordered: bool, span: Span, limit: int, direction: str, offset: int | None) -> Page:
    stop = complete(file)
    if offset is not None and (offset > stop or not is_line_start(file, offset)):
        raise bad_token()
    low, high = _range(file, stop, ordered, span)
    if direction == "f":
        start = low if offset is None else max(low, offset)
        events, done = _fill((event for event in forward(file, start, high) if span.holds(event)), limit)
        if not events:
            same = max(start, high) if offset is None else offset
            return Page([], same, same)
        return Page(events, events[0].start, high if done else events[-1].end)
    end = high if offset is None else min(high, offset)
    events, _ = _fill((event for event in backward(file, low, end) if span.holds(event)), limit)
    events.reverse()
    same = end if offset is None else offset
    return Page(events, events[0].start, events[-1].end) if events else Page([], same, same)


def _range(file: BinaryIO, stop: int, ordered: bool, span: Span) -> tuple[int, int]:
    """The offsets between which events of the span lie."""
    if not ordered:
        return 0, stop
    low = at_time(file, stop, span.start) if span.start > 0 else 0
    return low, at_time(file, stop, span.end) if span.end < FOREVER else stop


def _fill(events: Iterable[Event], limit: int) -> tuple[list[Event], bool]:
    """As many as fit on a page, and whether that was all."""
    taken: list[Event] = []
    room = PAGE_BYTES
    for event in events:
        room -= event.end - event.start + EVENT_OVERHEAD
        if len(taken) == limit or (taken and room < 0):
            return taken, False
        taken.append(event)
    return taken, True


def _position(token: str) -> tuple[str, int]:
    found = TOKEN.fullmatch(token)
    if found is None:
        raise bad_token()
    return found[1], int(found[2])


class Key(NamedTuple):
    """The order of events across streams."""

    timestamp: int
    stream: str
    offset: int


class Found(NamedTuple):
    """A page of FilterLogEvents. `last` is how far the search came, None when it came to the end empty-handed."""

    events: list[tuple[Stream, Event]]
    last: Key | None


def search(
    streams: Iterable[Stream], span: Span, matches: Callable[[str], bool], limit: int, after: Key | None
) -> Found:
    """Matching events of all streams by time.

    A page with events always says where it ended, even when nothing may follow: the SDKs' live log prints a page only
    when that page carries a token.
    """
    found: list[tuple[Stream, Event]] = []
    room, scan, last = PAGE_BYTES, SCAN_BYTES, after
    for key, stream, event in _merge(streams, span, after):
        size = event.end - event.start + EVENT_OVERHEAD
        hit = matches(event.message)
        if len(found) == limit or scan < 0 or (hit and found and room < size):
            return Found(found, last)
        last, scan = key, scan - size
        if hit:
            found.append((stream, event))
            room -= size
    return Found(found, last if found else None)


def _merge(streams: Iterable[Stream], span: Span, after: Key | None) -> Iterator[tuple[Key, Stream, Event]]:
    """Events behind `after` in key order. A stream is read only when its first event is the next one."""
    heap: list[tuple[Key, Stream, Event, Iterator[Event]]] = []
    for stream in streams:
        _push(heap, stream, _events(stream, span, after))
    while heap:
        key, stream, event, rest = heap[0]
        yield key, stream, event
        heapq.heappop(heap)
        _push(heap, stream, rest)


def _push(heap: list[Any], stream: Stream, events: Iterator[Event]) -> None:
    event = next(events, None)
    if event is not None:
        heapq.heappush(heap, (Key(event.timestamp, stream.name, event.start), stream, event, events))


def _events(stream: Stream, span: Span, after: Key | None) -> Iterator[Event]:
    """Events of one stream in time order, behind `after`."""
    start = max(span.start, after.timestamp) if after else span.start
    if _last_write(stream.path) + MOST_AHEAD < start:
        return iter(())
    wanted = (
        event
        for event in _blocks(stream.path, stream.ordered, Span(start, span.end))
        if after is None or Key(event.timestamp, stream.name, event.start) > after
    )
    if stream.ordered:
        return wanted
    # Not in time order on disk: each page scans the file and keeps only what the page can hold.
    return iter(heapq.nsmallest(PAGE_EVENTS + 1, wanted, key=lambda event: (event.timestamp, event.start)))


def _blocks(path: Path, ordered: bool, span: Span) -> Iterator[Event]:
    """Events of the span in file order. The file is open only while a batch is read: a group may have many streams."""
    position: int | None = None
    while True:
        try:
            with path.open("rb") as file:
                low, high = _range(file, complete(file), ordered, span)
                start = low if position is None else position
                # One event first: most streams of a group wait long for their turn, without a full batch.
                batch, done = _batch(forward(file, start, high), 0 if position is None else BLOCK)
        except FileNotFoundError:
            return
        yield from (event for event in batch if span.holds(event))
        if done:
            return
        position = batch[-1].end


def _batch(events: Iterator[Event], most: int) -> tuple[list[Event], bool]:
    taken: list[Event] = []
    size = 0
    for event in events:
        taken.append(event)
        size += event.end - event.start
        if size > most:
            return taken, False
    return taken, True


def _last_write(path: Path) -> int:
    """Epoch milliseconds of the last append; 0 for a file not there."""
    try:
        return int(path.stat().st_mtime * 1000)
    except FileNotFoundError:
        return 0


def bad_token() -> AwsError:
    return AwsError("The specified nextToken is invalid.", code="InvalidParameterException", status=400)
