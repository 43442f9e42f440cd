"""One HTTP/1.1 answer taken piece by piece, as it comes: the connection that `http.py` opens for it, and its body.

The far side runs a user's model: it is read no faster than its pieces are taken, and whatever it sends is checked.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import cast

from clary.serving.pieces import Pieces, pieces_of
from clary.serving.reply import Broken, Head, HttpError, TooLarge, read_head

MOST_WAITING = 1024 * 1024
"""Bytes read and not yet taken, past which nothing more is read."""


class Flow(asyncio.Protocol):
    """One connection for one answer: `ask`, then `head` is there and `pieces` come. `left` is told of its end, once."""

    def __init__(self, left: Callable[[], None]) -> None:
        self._left = left
        self._transport: asyncio.Transport | None = None
        self._asked: asyncio.Future[Head] = asyncio.get_running_loop().create_future()
        self.head = Head("", 0, {})
        self._unread = bytearray()
        self._body: Pieces | None = None
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._more = asyncio.Event()
        self._failure: HttpError | None = None
        self._over = False
        self._closed = False

    async def ask(self, request: bytes) -> None:
        """Sends the request, and waits for status and headers of the answer. Raises an `HttpError`."""
        assert self._transport
        self._transport.write(request)
        self.head = await self._asked

    async def whole(self, most: int) -> bytes:
        """The answer in one piece. Raises an `HttpError`."""
        body = bytearray()
        async for piece in self.pieces():
            body += piece
            if len(body) > most:
                raise TooLarge(f"the answer is longer than {most} bytes")
        return bytes(body)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Each as the model sent it. Raises `Broken` for an answer that ends early."""
        while True:
            while self._waiting:
                piece = self._waiting.popleft()
                self._size -= len(piece)
                self._read_on()
                yield piece
            if self._failure:
                raise self._failure
            if self._over:
                return
            self._more.clear()
            await self._more.wait()

    def close(self) -> None:
        """May be called again. What has come and was not taken is still there."""
        self._over = True
        if self._transport:
            self._transport.abort()
        if not self._closed:
            self._closed = True
            self._left()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            if self._body is None:
                self._begin(data)
            else:
                self._take(self._body.feed(data))
        except HttpError as error:
            self._fail(error)

    def eof_received(self) -> None:
        if self._body is None or self._over:
            return
        if self._body.ends_with_the_connection:
            self._end()
        else:
            self._fail(Broken("the connection ended before the answer"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._over:
            self._fail(Broken(f"the connection ended before the answer{f': {exc}' if exc else ''}"))

    def _begin(self, data: bytes) -> None:
        self._unread += data
        head = read_head(self._unread)
        if head is None:
            return
        self._body = pieces_of(head)
        self._asked.set_result(head)
        self._take(self._body.feed(bytes(self._unread)))

    def _take(self, pieces: list[bytes]) -> None:
        self._waiting.extend(pieces)
        self._size += sum(map(len, pieces))
        if self._body and self._body.over:
            self._end()
        elif pieces:
            self._more.set()
            if self._size > MOST_WAITING and self._transport:
                self._transport.pause_reading()

    def _read_on(self) -> None:
        if self._transport and self._size <= MOST_WAITING and not self._transport.is_closing():
            self._transport.resume_reading()

    def _end(self) -> None:
        self.close()
        self._more.set()

    def _fail(self, error: HttpError) -> None:
        if not self._asked.done():
            self._asked.set_exception(error)
        self._failure = error
        self._end()
