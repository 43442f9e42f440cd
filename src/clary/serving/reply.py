"""One HTTP/1.1 answer, put together from the pieces that arrive. `http.py` uses it.

The far side runs a user's model, so everything it sends is checked and bounded.

HttpError
├── Unreachable   no connection: nothing was sent, another instance may be tried
├── Broken        the connection ended; the model may have seen the request
│   └── Unusable  what came was no HTTP answer
├── Crowded       too many large answers are on their way at once
├── TooLarge      the answer is longer than allowed
└── TimedOut      no whole answer in time
"""

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import NamedTuple

MAX_HEAD = 64 * 1024
REMEMBERED_HEAD = 1024
"""Bytes of a head that is remembered: a model's answers begin alike, but for the second that they came in."""


class HttpError(Exception):
    container = 0
    """Which of an instance's containers it is about."""


class Unreachable(HttpError):
    pass


class Broken(HttpError):
    pass


class Unusable(Broken):
    pass


class Crowded(HttpError):
    pass


class TooLarge(HttpError):
    pass


class TimedOut(HttpError):
    pass


class Reply(NamedTuple):
    """Header names are in lower case; of a repeated header the last one counts."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Head:
    """Of an answer; `version` as it was written. Answers that begin alike share one."""

    def __init__(self, version: str, status: int, headers: Mapping[str, str]) -> None:
        self.version = version
        self.status = status
        self.headers = headers

    @cached_property
    def chunked(self) -> bool:
        return "chunked" in self.headers.get("transfer-encoding", "").lower()

    @cached_property
    def length(self) -> int | None:
        """Bytes of the body, where the head says. Raises `Unusable`."""
        if self.status in (204, 304):
            return 0
        if self.chunked or "content-length" not in self.headers:
            return None
        return number(self.headers["content-length"], 10)

    @cached_property
    def keep_alive(self) -> bool:
        """Whether another request may follow on the connection."""
        connection = self.headers.get("connection", "").lower()
        if self.length is None and not self.chunked:
            return False
        return connection != "close" and (self.version != "HTTP/1.0" or connection == "keep-alive")


class ReplyReader:
    """Puts one answer together from the pieces that arrive."""

    def __init__(self, max_body: int) -> None:
        self.keep_alive = True
        self._max_body = max_body
        self._head: Head | None = None
        self._buffer = bytearray()
        self._chunks = bytearray()

    @property
    def is_fresh(self) -> bool:
        """Whether it may read another answer: what came at once has left nothing."""
        return self._head is None and not self._buffer

    @property
    def size(self) -> int:
        """Bytes of the answer that are here."""
        return len(self._buffer) + len(self._chunks)

    def feed(self, data: bytes) -> Reply | None:
        """The answer once it is whole. Raises `Broken` or `TooLarge`."""
        if self.is_fresh and (whole := self._at_once(data)):
            return whole
        self._buffer += data
        if self._head is None:
            self._head = read_head(self._buffer)
            if self._head is None:
                return None
            self.keep_alive = self._head.keep_alive
        if self._head.chunked and self._head.length is None:
            return self._read_chunks(self._head, self._chunks)
        if self._head.length is not None:
            return self._read_sized(self._head, self._head.length)
        self._bounded(len(self._buffer))
        return None

    def end(self) -> Reply | None:
        """The answer when it was one that only the end of the connection ends."""
        head = self._head
        if head and head.length is None and not head.chunked:
            return Reply(head.status, head.headers, bytes(self._buffer))
        return None

    def _at_once(self, data: bytes) -> Reply | None:
        """What came, if it is all of an answer with a length: most are, and need not be put together."""
        end = data.find(b"\r\n\r\n") + 4
        head = _head(data[: end - 4]) if end > 3 else None
        if head is None or head.status < 200 or head.length != len(data) - end:
            return None
        self._bounded(len(data) - end)
        self.keep_alive = head.keep_alive
        return Reply(head.status, head.headers, data[end:])

    def _read_sized(self, head: Head, length: int) -> Reply | None:
        self._bounded(length)
        if len(self._buffer) < length:
            return None
        if len(self._buffer) > length:
            self.keep_alive = False
        return Reply(head.status, head.headers, bytes(self._buffer[:length]))

    def _read_chunks(self, head: Head, body: bytearray) -> Reply | None:
        while (line_end := self._buffer.find(b"\r\n")) >= 0:
            size = number(self._buffer[:line_end].decode("latin-1").partition(";")[0].strip(), 16)
            self._bounded(len(body) + size)
            start, end = line_end + 2, line_end + 2 + size
            if size == 0:
                return self._read_trailer(head, start)
            if len(self._buffer) < end + 2:
                return None
            body += self._buffer[start:end]
            del self._buffer[: end + 2]
        if len(self._buffer) > MAX_HEAD:
            raise Unusable("it has a chunk without a size")
        return None

    def _read_trailer(self, head: Head, start: int) -> Reply | None:
        """Nothing but an empty line, or trailers that are dropped."""
        plain = self._buffer.startswith(b"\r\n", start)
        if not plain and self._buffer.find(b"\r\n\r\n", start) < 0:
            self._bounded(len(self._buffer))
            return None
        return Reply(head.status, head.headers, bytes(self._chunks))

    def _bounded(self, size: int) -> None:
        if size > self._max_body:
            raise TooLarge(f"the answer is longer than {self._max_body} bytes")


def number(text: str, base: int) -> int:
    if not text.isascii() or not text.isalnum():
        raise Unusable("its length is no number")
    try:
        return int(text, base)
    except ValueError:
        raise Unusable("its length is no number") from None


def read_head(buffer: bytearray) -> Head | None:
    """Takes the final head off the front of what arrived, once it is whole. Raises `Broken`."""
    while True:
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(buffer) > MAX_HEAD:
                raise Unusable("its head is too long")
            return None
        head = _head(bytes(buffer[:end]))
        del buffer[: end + 4]
        if head.status >= 200:
            return head


def _head(told: bytes) -> Head:
    return _known_head(told) if len(told) <= REMEMBERED_HEAD else _parse_head(told)


def _parse_head(told: bytes) -> Head:
    first, *lines = told.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    code = rest[:3]
    if not version.startswith("HTTP/1.") or not (code.isascii() and code.isdigit()):
        raise Unusable("it is no HTTP answer")
    pairs = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    if len({value for name, value in pairs if name == "content-length"}) > 1:
        raise Unusable("it has two lengths that differ")
    return Head(version, int(code), dict(pairs))


_known_head = lru_cache(maxsize=256)(_parse_head)
