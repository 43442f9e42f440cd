"""Sending an answer piece by piece: no faster than the client reads, and not at all once it is gone.

`server.py` calls it for answers that are streams.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress

from clary.wire.http.exchange import Exchange, Gone
from clary.wire.messages import Reply

log = logging.getLogger("clary.wire")


async def send(exchange: Exchange, reply: Reply, pieces: AsyncIterator[bytes]) -> None:
    """Returns when all is sent or the client is gone; `pieces` is closed in either case."""
    relay = asyncio.ensure_future(_relay(exchange, reply, pieces))
    gone = asyncio.ensure_future(exchange.gone())
    try:
        await asyncio.wait((relay, gone), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (relay, gone):
            task.cancel()
        await asyncio.wait((relay,))
        await _close(pieces)


async def _relay(exchange: Exchange, reply: Reply, pieces: AsyncIterator[bytes]) -> None:
    try:
        exchange.stream(reply.status, reply.headers)
        async for piece in pieces:
            await exchange.send(piece)
    except ConnectionError:
        return
    except Exception:
        # The border of a streamed answer: its head is sent already.
        log.exception("a streamed answer failed")
        with suppress(Gone):
            await exchange.send(reply.refusal)


async def _close(pieces: AsyncIterator[bytes]) -> None:
    if close := getattr(pieces, "aclose", None):
        await close()
