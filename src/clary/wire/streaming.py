"""Sending an answer piece by piece: no faster than the client reads, and not at all once it is gone.

`server.py` calls it for answers that are streams.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from granian._granian import RSGIProtocolClosed

from clary.wire.backlog import Backlog
from clary.wire.messages import Reply

log = logging.getLogger("clary.wire")


async def send(scope: Any, proto: Any, reply: Reply, pieces: AsyncIterator[bytes]) -> None:
    """Returns when all is sent or the client is gone; `pieces` is closed in either case."""
    relay = asyncio.ensure_future(_relay(proto, reply, pieces, Backlog(scope.client)))
    gone = asyncio.ensure_future(proto.client_disconnect())
    try:
        await asyncio.wait((relay, gone), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (relay, gone):
            task.cancel()
        await asyncio.wait((relay,))
        await _close(pieces)


async def _relay(proto: Any, reply: Reply, pieces: AsyncIterator[bytes], backlog: Backlog) -> None:
    try:
        transport = proto.response_stream(reply.status, reply.headers)
        async for piece in pieces:
            await backlog.sending(len(piece))
            await transport.send_bytes(piece)
    except (RSGIProtocolClosed, ConnectionError):
        return
    except Exception:
        # The border of a streamed answer: its head is sent already.
        log.exception("a streamed answer failed")
        with suppress(RSGIProtocolClosed):
            await transport.send_bytes(reply.refusal)
    finally:
        backlog.close()


async def _close(pieces: AsyncIterator[bytes]) -> None:
    if close := getattr(pieces, "aclose", None):
        await close()
