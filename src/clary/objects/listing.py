"""Listing: prefixes, delimiters and paging over a sorted walk, without reading what a common prefix hides.

`walk` is pure: `fetch(start, limit)` gives sorted rows from a position on. A common prefix is reported once and then
jumped over, so a page costs as many index steps as it has entries, whatever lies below its prefixes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from clary.objects.index import NEWEST

Position = tuple[bytes, int]
"""Rows after `(key, age)`; age `NEWEST` includes the key itself."""

Fetch = Callable[[Position, int], Sequence[Any]]


@dataclass
class Page:
    rows: list[Any] = field(default_factory=list)
    prefixes: list[bytes] = field(default_factory=list)
    next: Position | None = None
    """Where the next page starts; `None` at the end."""
    last: bytes = b""
    """The last key or common prefix reported."""

    @property
    def count(self) -> int:
        return len(self.rows) + len(self.prefixes)


def walk(fetch: Fetch, prefix: bytes, delimiter: bytes, start: Position, limit: int) -> Page:
    """One page of at most `limit` keys and common prefixes from `start` on."""
    page = Page()
    position: Position | None = max(start, (prefix, NEWEST))
    while position is not None:
        batch = fetch(position, limit - page.count + 1)
        position = _take(page, batch, prefix, delimiter, limit, position)
    return page


def _take(
    page: Page, batch: Sequence[Any], prefix: bytes, delimiter: bytes, limit: int, start: Position
) -> Position | None:
    """Report a batch; returns where to fetch on, or `None` when the page or the walk is finished."""
    wanted = limit - page.count + 1
    position = start
    for row in batch:
        if (row.key, row.age) <= position:
            continue
        if page.count >= limit:
            page.next = position
            return None
        group = common_prefix(row.key, prefix, delimiter)
        position = _report(page, row, group)
    return position if len(batch) >= wanted else None


def _report(page: Page, row: Any, group: bytes) -> Position:
    if group:
        page.prefixes.append(group)
        page.last = group
        return successor(group), NEWEST
    page.rows.append(row)
    page.last = row.key
    return row.key, row.age


def common_prefix(key: bytes, prefix: bytes, delimiter: bytes) -> bytes:
    """The key up to and with the first delimiter after the prefix; empty when there is none."""
    at = key.find(delimiter, len(prefix)) if delimiter else -1
    return key[: at + len(delimiter)] if at >= 0 else b""


def successor(prefix: bytes) -> bytes:
    """The first byte string after all that start with a (non-empty) prefix. UTF-8 has no byte 0xff, so one exists."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def after_marker(marker: bytes, prefix: bytes, delimiter: bytes) -> Position:
    """Where a listing that is to start after `marker` begins: a common prefix as marker hides all below it."""
    if marker and marker.startswith(prefix) and common_prefix(marker, prefix, delimiter) == marker:
        return successor(marker), NEWEST
    return marker + b"\0" if marker else b"", NEWEST
