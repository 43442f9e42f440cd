"""Reading a request's body: whole, bounded in size and time, and unpacked. S3 streams its own."""

import asyncio
import zlib
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from clary.wire.errors import AwsError, SerializationException
from clary.wire.http.exchange import Exchange, Gone
from clary.wire.messages import Head
from clary.wire.patience import Patience

SMALL_BYTES = 256 * 1024
READ_SECONDS = 30.0
"""How long a client may take to send a body."""


class TooLarge(AwsError):
    code, status = "RequestEntityTooLargeException", 413


class TooSlow(AwsError):
    code, status = "RequestTimeoutException", 408


class GoneAway(AwsError):
    """Nobody reads this answer."""

    code, status = "RequestAbortedException", 400


class TooBusy(AwsError):
    """There is no memory for the body now; clients try again."""

    code, status = "ServiceUnavailable", 503


class Room:
    """The memory for bodies of requests that are being answered, of one server process. Small ones do not count."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def held(self, head: Head, limit: int) -> AsyncIterator[None]:
        """For one request. Whoever finds no room waits, in order. Raises `TooBusy`."""
        size = _announced(head, limit)
        if size <= SMALL_BYTES:
            yield
            return
        await self._take(size)
        try:
            yield
        finally:
            self._give(size)

    async def _take(self, size: int) -> None:
        if not self._waiting and size <= self._free:
            self._free -= size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            async with asyncio.timeout(READ_SECONDS):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._give(size)
            else:
                self._waiting.remove((size, turn))
                self._let_in()
            if isinstance(error, TimeoutError):
                raise TooBusy("The server has too many large requests at once; try again.") from error
            raise

    def _give(self, size: int) -> None:
        self._free += size
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            size, turn = self._waiting.popleft()
            self._free -= size
            turn.set_result(None)


def _announced(head: Head, limit: int) -> int:
    """Bytes that the body may have; of one without a length, as many as any may have."""
    length = head.header("content-length")
    if length.isdigit():
        return min(int(length[:19]), limit)
    return limit if head.header("transfer-encoding") else 0


async def read(exchange: Exchange, limit: int, patience: Patience) -> bytes:
    """The body as sent. Raises `TooLarge` without reading further, `TooSlow`, and `GoneAway`."""
    head = exchange.head
    length = head.header("content-length")
    if length in ("", "0") and not head.header("transfer-encoding") and head.method in ("GET", "HEAD", "DELETE"):
        return b""
    known = length.isdigit()
    if known and int(length[:19]) > limit:
        raise TooLarge(f"Request body is larger than {limit} bytes.")
    if exchange.is_whole and known:
        return await exchange.read()
    try:
        return await patience.wait(exchange.read() if known else _collect(exchange, limit))
    except TimeoutError as error:
        raise TooSlow("The request body was not received in time.") from error
    except Gone as error:
        raise GoneAway("The connection was closed in the middle of the request body.") from error


async def _collect(exchange: Exchange, limit: int) -> bytes:
    chunks, size = [], 0
    async for chunk in exchange:
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"Request body is larger than {limit} bytes.")
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def unpack(head: Head, body: bytes, limit: int) -> bytes:
    """The body without its gzip coding. `limit` bounds the unpacked size, so that a bomb ends early."""
    coding = head.header("content-encoding").lower()
    if "gzip" not in coding:
        return body
    stream = zlib.decompressobj(wbits=31)
    try:
        plain = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise SerializationException("The request body is not valid gzip.") from error
    if len(plain) > limit:
        raise TooLarge(f"Request body is larger than {limit} bytes when unpacked.")
    if not stream.eof or stream.unused_data:
        raise SerializationException("The request body is not valid gzip.")
    return plain
