"""How much of what was sent to a client it has not taken yet. `streaming.py` waits by it.

granian queues what a handler sends without bound and says nothing of it, so the connection is asked: the kernel counts
the bytes that the other side has acknowledged. Looked for only by streams that have sent a lot.
"""

import asyncio
import os
import socket
import struct
from pathlib import Path

MOST_BYTES = 4 * 1024 * 1024
UNASKED_BYTES = 1024 * 1024
"""Sent before the connection is looked for."""
PAUSE_SECONDS = 0.005
ACKNOWLEDGED = struct.Struct("=120xQ")
"""`tcpi_bytes_acked` of Linux's `struct tcp_info`."""


class Backlog:
    """One answer's. `client` is the peer as granian writes it, `address:port`."""

    def __init__(self, client: str) -> None:
        self._client = client
        self._sent = 0
        self._line: socket.socket | None = None
        self._before = 0

    async def sending(self, size: int) -> None:
        """Waits until so many bytes more may be sent. Raises `ConnectionError` when the connection is gone."""
        self._sent += size
        if self._sent < UNASKED_BYTES:
            return
        if self._line is None:
            self._line = _find(self._client)
            self._before = _acknowledged(self._line)
        while self._sent - (_acknowledged(self._line) - self._before) > MOST_BYTES:
            await asyncio.sleep(PAUSE_SECONDS)

    def close(self) -> None:
        if self._line:
            self._line.close()


def _acknowledged(line: socket.socket) -> int:
    told = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, ACKNOWLEDGED.size)
    return int(ACKNOWLEDGED.unpack(told)[0])


def _find(client: str) -> socket.socket:
    """This process's own end of the connection, as another handle on it."""
    host, _, port = client.rpartition(":")
    for entry in Path("/proc/self/fd").iterdir():
        line = _socket(entry)
        if line is None:
            continue
        if _peer(line) == (host.strip("[]"), port):
            return line
        line.close()
    raise ConnectionError("the client's connection is gone")


def _socket(entry: Path) -> socket.socket | None:
    """Another handle on an open socket; `None` for what is none, or is closed by now."""
    try:
        if not str(entry.readlink()).startswith("socket:"):
            return None
        return socket.socket(fileno=os.dup(int(entry.name)))
    except OSError:
        return None


def _peer(line: socket.socket) -> tuple[str, str] | None:
    if line.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    try:
        host, port, *_ = line.getpeername()
    except OSError:
        return None
    return host.removeprefix("::ffff:"), str(port)
