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

from dataclasses import dataclass

MAX_HEAD = 64 * 1024


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


@dataclass(frozen=True, slots=True)
class Reply:
    """Header names are in lower case; of a repeated header the last one counts."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """Of an answer; `version` as it was written."""

    version: str
    status: int
    headers: dict[str, str]

    @property
    def chunked(self) -> bool:
        return "chunked" in self.headers.get("transfer-encoding", "").lower()


class ReplyReader:
    """Puts one answer together from the pieces that arrive."""

    def __init__(self, max_body: int) -> None:
        self.keep_alive = True
        self._max_body = max_body
        self._buffer = bytearray()
        self._status = 0
        self._headers: dict[str, str] = {}
        self._length: int | None = None
        self._chunks: bytearray | None = None

    @property
    def size(self) -> int:
        """Bytes of the answer that are here."""
        return len(self._buffer) + len(self._chunks or b"")

    def feed(self, data: bytes) -> Reply | None:
        """The answer once it is whole. Raises `Broken` or `TooLarge`."""
        self._buffer += data
        if not self._status and not self._read_head():
            return None
        if self._chunks is not None:
            return self._read_chunks(self._chunks)
        if self._length is not None:
            return self._read_sized(self._length)
        self._bounded(len(self._buffer))
        return None

    def end(self) -> Reply | None:
        """The answer when it was one that only the end of the connection ends."""
        if self._status and self._length is None and self._chunks is None:
            return Reply(self._status, self._headers, bytes(self._buffer))
        return None

    def _read_head(self) -> bool:
        head = read_head(self._buffer)
        if head is None:
            return False
        self._status, self._headers = head.status, head.headers
        self._frame(head.version, head.status)
        return True

    def _frame(self, version: str, status: int) -> None:
        headers = self._headers
        connection = headers.get("connection", "").lower()
        self.keep_alive = connection != "close" and (version != "HTTP/1.0" or connection == "keep-alive")
        if status in (204, 304):
            self._length = 0
        elif "chunked" in headers.get("transfer-encoding", "").lower():
            self._chunks = bytearray()
        elif "content-length" in headers:
            self._length = number(headers["content-length"], 10)
            self._bounded(self._length)
        else:
            self.keep_alive = False

    def _read_sized(self, length: int) -> Reply | None:
        if len(self._buffer) < length:
            return None
        if len(self._buffer) > length:
            self.keep_alive = False
        return Reply(self._status, self._headers, bytes(self._buffer[:length]))

    def _read_chunks(self, body: bytearray) -> Reply | None:
        while (line_end := self._buffer.find(b"\r\n")) >= 0:
            size = number(self._buffer[:line_end].decode("latin-1").partition(";")[0].strip(), 16)
            self._bounded(len(body) + size)
            start, end = line_end + 2, line_end + 2 + size
            if size == 0:
                return self._read_trailer(start)
            if len(self._buffer) < end + 2:
                return None
            body += self._buffer[start:end]
            del self._buffer[: end + 2]
        if len(self._buffer) > MAX_HEAD:
            raise Unusable("it has a chunk without a size")
        return None

    def _read_trailer(self, start: int) -> Reply | None:
        """Nothing but an empty line, or trailers that are dropped."""
        plain = self._buffer.startswith(b"\r\n", start)
        if not plain and self._buffer.find(b"\r\n\r\n", start) < 0:
            self._bounded(len(self._buffer))
            return None
        assert self._chunks is not None
        return Reply(self._status, self._headers, bytes(self._chunks))

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
        head = _parse_head(buffer[:end].decode("latin-1"))
        del buffer[: end + 4]
        if head.status >= 200:
            return head


def _parse_head(text: str) -> Head:
    first, *lines = text.split("\r\n")
    version, _, rest = first.partition(" ")
    code = rest[:3]
    if not version.startswith("HTTP/1.") or not (code.isascii() and code.isdigit()):
        raise Unusable("it is no HTTP answer")
    pairs = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    if len({value for name, value in pairs if name == "content-length"}) > 1:
        raise Unusable("it has two lengths that differ")
    return Head(version, int(code), dict(pairs))
