"""Whether the servers of an instance answer `/ping`, asked by somebody who waits for it. See also the controller's
own look in `capabilities/endpoints/watch.py`, which must not wait."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from clary.serving.exchange import connect
from clary.serving.reply import Unreachable

PING = b"GET /ping HTTP/1.1\r\nhost: model\r\nconnection: close\r\n\r\n"


async def ready(sockets: Sequence[Path], patience: float) -> bool:
    """A server that listens and is still loading its model is waited for, up to `patience` seconds."""
    try:
        async with asyncio.timeout(patience):
            return all([await _ping(server) for server in sockets])
    except (TimeoutError, OSError, Unreachable):
        return False


async def _ping(server: Path) -> bool:
    reader, writer = await connect(server)
    try:
        writer.write(PING)
        return (await reader.read(64)).split(b" ", 2)[1:2] == [b"200"]
    finally:
        writer.transport.abort()
