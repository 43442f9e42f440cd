"""The body of an HTTP/1.1 answer as the pieces that the model sent, out of the bytes that arrive. `flow.py` uses it.

A chunk is a piece, else what arrived together. Our own model server frames its pieces when it is asked to (`FRAMED`):
each has its length before it, and the end is a length of 0, so an answer that breaks off is told from one that ends.
"""

from typing import Protocol

from clary.serving.reply import MAX_HEAD, Broken, Head, TooLarge, Unusable, number

FRAMED = ("x-clary-stream", "framed")
"""In a request: pieces may come framed. In an answer: they do."""
LENGTH_BYTES = 4
LARGEST_PIECE = 64 * 1024 * 1024


class Pieces(Protocol):
    """`over`: the body is whole."""

    over: bool
    ends_with_the_connection: bool

    def feed(self, data: bytes) -> list[bytes]:
        """What is whole now. Raises `Broken` or `TooLarge`."""


def pieces_of(head: Head) -> Pieces:
    """For an answer with this head. Raises `Broken`."""
    plain: Pieces
    if head.status in (204, 304):
        plain = Sized(0)
    elif head.chunked:
        plain = Chunks()
    elif "content-length" in head.headers:
        plain = Sized(number(head.headers["content-length"], 10))
    else:
        plain = Rest()
    return Frames(plain) if head.headers.get(FRAMED[0]) == FRAMED[1] else plain


class Sized:
    ends_with_the_connection = False

    def __init__(self, length: int) -> None:
        self._left = length
        self.over = length == 0

    def feed(self, data: bytes) -> list[bytes]:
        piece = data[: self._left]
        self._left -= len(piece)
        self.over = self._left == 0
        return [piece] if piece else []


class Rest:
    """Until the connection ends."""

    over = False
    ends_with_the_connection = True

    def feed(self, data: bytes) -> list[bytes]:
        return [data] if data else []


class Chunks:
    over = False
    ends_with_the_connection = False

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        self._buffer += data
        found = []
        while not self.over and (line_end := self._buffer.find(b"\r\n")) >= 0:
            size = number(self._buffer[:line_end].decode("latin-1").partition(";")[0].strip(), 16)
            _bounded(size)
            start, end = line_end + 2, line_end + 2 + size
            self.over = size == 0
            if self.over or len(self._buffer) < end + 2:
                break
            found.append(bytes(self._buffer[start:end]))
            del self._buffer[: end + 2]
        else:
            if len(self._buffer) > MAX_HEAD:
                raise Unusable("it has a chunk without a size")
        return found


class Frames:
    """Pieces with their lengths, inside a body of any other kind."""

    ends_with_the_connection = False

    def __init__(self, body: Pieces) -> None:
        self._body = body
        self._buffer = bytearray()
        self.over = False

    def feed(self, data: bytes) -> list[bytes]:
        for part in self._body.feed(data):
            self._buffer += part
        found = []
        while not self.over and len(self._buffer) >= LENGTH_BYTES:
            size = int.from_bytes(self._buffer[:LENGTH_BYTES])
            _bounded(size)
            self.over = size == 0
            if len(self._buffer) < LENGTH_BYTES + size or self.over:
                break
            found.append(bytes(self._buffer[LENGTH_BYTES : LENGTH_BYTES + size]))
            del self._buffer[: LENGTH_BYTES + size]
        if self._body.over and not self.over:
            raise Broken("the model broke off its answer")
        return found


def frame(piece: bytes) -> bytes:
    """A piece as the model server sends it; an empty one is the end."""
    return len(piece).to_bytes(LENGTH_BYTES) + piece


def _bounded(size: int) -> None:
    if size > LARGEST_PIECE:
        raise TooLarge(f"a piece of the answer is longer than {LARGEST_PIECE} bytes")
