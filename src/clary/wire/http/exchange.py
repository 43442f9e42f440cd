"""One request and its answer, as the application sees them. `connection.py` makes it.

The body is read once, whole or piece by piece, and one answer is given: whole, from a file, or as a stream.
"""

import asyncio
from collections import deque
from pathlib import Path
from typing import Any, Protocol

from clary.wire.http import files
from clary.wire.http.answers import BODILESS, CHUNKED, LAST_CHUNK, head_of
from clary.wire.messages import Head

Headers = list[tuple[str, str]]

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
SMALL_BODY = 64 * 1024
"""Up to here an answer's body is copied behind its head, which costs less than sending twice."""


class Gone(ConnectionError):
    """The client went away, or what it sent on is no body."""


class Line(Protocol):
    """What an exchange needs of its connection."""

    transport: Any

    def taken(self, size: int) -> None:
        """The application has taken so many bytes of a body."""

    def stays(self, exchange: "Exchange") -> bool:
        """Whether another request may follow, as things stand."""

    async def drained(self) -> None:
        """Until the client has taken what was written. Raises `Gone`."""


class Exchange:
    """`head` is the request's; `async for piece in exchange` gives its body as it comes."""

    __slots__ = (
        "_chunked",
        "_leaving",
        "_left",
        "_line",
        "_old",
        "_pieces",
        "_streams",
        "_waiter",
        "_waits_for_leave",
        "head",
        "is_answered",
        "is_gone",
        "is_whole",
        "keeps",
    )

    def __init__(self, head: Head, line: Line, *, keeps: bool, old: bool) -> None:
        """`old`: the client speaks HTTP/1.0."""
        self.head = head
        self.keeps = keeps
        """Another request may follow on this connection; of an answered exchange, as the client was told."""
        self.is_whole = False
        """All of the body has come."""
        self.is_gone = False
        self.is_answered = False
        self._line = line
        self._old = old
        self._pieces: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._leaving: asyncio.Future[None] | None = None
        self._waits_for_leave = "expect" in head.named and not old
        self._streams = False
        self._chunked = False
        self._left = 0
        """Bytes that a stream of known length still owes."""

    # --- the request's body

    async def read(self) -> bytes:
        """The whole body. Raises `Gone`."""
        if self.is_whole and len(self._pieces) <= 1:
            return self._take() if self._pieces else b""
        return b"".join([piece async for piece in self])

    def __aiter__(self) -> "Exchange":
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self.is_whole:
                raise StopAsyncIteration
            if self.is_gone:
                raise Gone("the connection was closed in the middle of the request's body")
            await self._news()
        return self._take()

    async def _news(self) -> None:
        if self._waits_for_leave:
            self._waits_for_leave = False
            self._line.transport.write(CONTINUE)
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    def _take(self) -> bytes:
        piece = self._pieces.popleft()
        self._line.taken(len(piece))
        return piece

    # --- the answer

    def answer(self, status: int, headers: Headers, body: bytes = b"") -> None:
        """A whole answer. One to HEAD, or with status 204 or 304, ends with its head."""
        head = self._begin(status, headers, len(body))
        write = self._line.transport.write
        if status in BODILESS or self.head.method == "HEAD":
            write(head)
        elif len(body) <= SMALL_BODY:
            write(head + body)
        else:
            write(head)
            write(body)

    async def answer_file(self, status: int, headers: Headers, path: Path, part: tuple[int, int] | None = None) -> None:
        """A file's bytes, or those of `part`, from its first up to its second. Raises `OSError` and `Gone`."""
        with files.opened(path) as file:
            begin, end = part or (0, file.size)
            head = self._begin(status, headers, end - begin)
            if self.head.method == "HEAD":
                self._line.transport.write(head)
            else:
                await files.send(self._line, head, file, begin, end)

    def stream(self, status: int, headers: Headers) -> None:
        """Begin an answer that `send` goes on with. Without a content-length it ends where the application returns."""
        length = next((value for name, value in headers if name == "content-length"), None)
        self._streams, self._chunked = True, length is None and not self._old
        self._left = int(length or 0)
        if length is None and self._old:
            self.keeps = False
        self._line.transport.write(self._begin(status, headers, None))

    async def send(self, piece: bytes) -> None:
        """No faster than the client takes it. Raises `Gone`."""
        if self.is_gone:
            raise Gone("the client went away")
        if not piece:
            return
        if not self._chunked:
            self._left -= len(piece)
        self._line.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece)
        await self._line.drained()

    async def gone(self) -> None:
        """Returns when the client has gone away."""
        if not self.is_gone:
            self._leaving = asyncio.get_running_loop().create_future()
            await self._leaving

    def _begin(self, status: int, headers: Headers, length: int | None) -> bytes:
        if self.is_answered:
            raise RuntimeError("one request has one answer")
        self.is_answered = True
        if any(name == "connection" and value == "close" for name, value in headers):
            self.keeps = False
        self.keeps = self._line.stays(self)
        framing = CHUNKED if self._chunked else f"content-length: {length}\r\n" if length is not None else ""
        return head_of(status, headers, framing, keeps=self.keeps, old=self._old)

    # --- by the connection

    def arrive(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._waits_for_leave = False
        self._wake()

    def complete(self) -> None:
        """The body has ended."""
        self.is_whole = True
        self._wake()

    def lose(self) -> None:
        """Nothing more will come."""
        self.is_gone = True
        self._wake()
        if self._leaving is not None and not self._leaving.done():
            self._leaving.set_result(None)

    def end(self, *, failed: bool) -> bool:
        """The application has returned, and reads no more; whether its answer is whole."""
        while self._pieces:
            self._take()
        if failed or not self._streams:
            return self.is_answered and not failed
        if self.is_gone or self._left > 0:
            return False
        if self._chunked:
            self._line.transport.write(LAST_CHUNK)
        return True

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
