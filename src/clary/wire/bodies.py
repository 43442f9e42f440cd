"""Reading a request's body: whole, bounded in size and time, and unpacked. S3 streams its own."""

import asyncio
import zlib
from typing import Any

from granian._granian import RSGIProtocolClosed

from clary.wire.errors import AwsError, SerializationException
from clary.wire.messages import Head

READ_SECONDS = 30.0
"""How long a client may take to send a body."""


class TooLarge(AwsError):
    code, status = "RequestEntityTooLargeException", 413


class TooSlow(AwsError):
    code, status = "RequestTimeoutException", 408


class GoneAway(AwsError):
    """Nobody reads this answer."""

    code, status = "RequestAbortedException", 400


async def read(proto: Any, head: Head, limit: int) -> bytes:
    """The body as sent. Raises `TooLarge` without reading further, `TooSlow`, and `GoneAway`."""
    length = head.header("content-length")
    if length in ("", "0") and not head.header("transfer-encoding") and head.method in ("GET", "HEAD", "DELETE"):
        return b""
    known = length.isdigit()
    if known and int(length[:19]) > limit:
        raise TooLarge(f"Request body is larger than {limit} bytes.")
    try:
        async with asyncio.timeout(READ_SECONDS):
            # In one piece where its length is known: each piece is a turn of the HTTP server's thread.
            return await (proto() if known else _collect(proto, limit))
    except TimeoutError as error:
        raise TooSlow("The request body was not received in time.") from error
    except RSGIProtocolClosed as error:
        raise GoneAway("The connection was closed in the middle of the request body.") from error


async def _collect(proto: Any, limit: int) -> bytes:
    chunks, size = [], 0
    async for chunk in proto:
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
