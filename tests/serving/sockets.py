"""Tiny model servers on real unix sockets that answer as a test says, good or bad."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(socket: Path, answer: Answer) -> AsyncIterator[list[bytes]]:
    """Yields the requests received so far. Each is read whole, then `answer` writes what it likes."""
    seen: list[bytes] = []
    open_writers: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_writers.append(writer)
        try:
            while request := await read_request(reader):
                seen.append(request)
                await answer(request, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_unix_server(handle, socket)
    try:
        yield seen
    finally:
        listener.close()
        for writer in open_writers:
            writer.close()
        await asyncio.sleep(0)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return head + await reader.readexactly(length)


def says(*pieces: bytes, close: bool = False) -> Answer:
    """Writes these pieces, each in a write of its own."""

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if close:
            writer.close()

    return answer


def ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\ncontent-length: %d\r\n\r\n" % len(body) + body


async def never(request: bytes, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()
