"""One connection of a user's, over TCP: a call at a time, whole answers. (`serving/http.py` is the gateway's.)"""

import asyncio
from typing import cast

from clary.serving.reply import Broken, HttpError, Reply, ReplyReader

MAX_ANSWER_BYTES = 64 * 1024 * 1024


class Line(asyncio.Protocol):
    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._reader = ReplyReader(MAX_ANSWER_BYTES)
        self._answer: asyncio.Future[Reply] | None = None
        self._lost = False

    @property
    def reusable(self) -> bool:
        return not self._lost and self._reader.keep_alive

    async def exchange(self, request: bytes) -> Reply:
        """Raises an `HttpError`; the line is then no longer of use."""
        self._reader = ReplyReader(MAX_ANSWER_BYTES)
        self._answer = asyncio.get_running_loop().create_future()
        if self._transport and not self._lost:
            self._transport.write(request)
        else:
            self._end(Broken("the connection was closed while idle"))
        return await self._answer

    def close(self) -> None:
        self._lost = True
        if self._transport:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self.close()
            return
        try:
            reply = self._reader.feed(data)
        except HttpError as error:
            self._end(error)
            return
        if reply:
            self._answer.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(Broken(f"the connection ended before an answer{f': {exc}' if exc else ''}"))

    def _end(self, error: HttpError) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(error)
        self.close()
