"""The head of an answer, as bytes. `exchange.py` calls it."""

import re
import time
from email.utils import formatdate
from http import HTTPStatus

BODILESS = (204, 304)
"""Statuses of answers that end with their head."""
CHUNKED = "transfer-encoding: chunked\r\n"
LAST_CHUNK = b"0\r\n\r\n"
STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""What a header's value cannot hold: a line break in it would begin a header of somebody else's making."""


class _Date:
    """The `date` header, written once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._line = ""

    def line(self) -> str:
        now = int(time.time())
        if now != self._second:
            self._second, self._line = now, f"date: {formatdate(now, usegmt=True)}\r\n"
        return self._line


_DATE = _Date()


def head_of(status: int, headers: list[tuple[str, str]], framing: str, *, keeps: bool, old: bool) -> bytes:
    """`framing` says where the body ends, unless `headers` do; `old`: to a client of HTTP/1.0."""
    lines = [STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n", _DATE.line()]
    for name, value in headers:
        if name == "connection":
            continue
        if name == "content-length":
            framing = ""
        lines.append(f"{name}: {value}\r\n" if value.isprintable() else f"{name}: {CONTROL.sub(' ', value)}\r\n")
    if status not in BODILESS:
        lines.append(framing)
    if not keeps:
        lines.append("connection: close\r\n")
    elif old:
        lines.append("connection: keep-alive\r\n")
    lines.append("\r\n")
    return "".join(lines).encode("utf-8", "surrogateescape")
