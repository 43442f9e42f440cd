"""One request to a model server whose bodies are files: up to gigabytes go through without being held in memory.

The dispatcher of asynchronous endpoints uses it; a real-time call (`http.py`) is small and keeps its connection.
"""

import asyncio
import contextlib
import http.client
import io
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from clary.runtime import remote_socket
from clary.serving.http import request_bytes
from clary.serving.reply import MAX_HEAD, Broken, HttpError, TimedOut, TooLarge, Unreachable

CHUNK = 256 * 1024
DIAL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Answered:
    """Header names are in lower case. The body is in the target file."""

    status: int
    headers: dict[str, str]
    size: int


async def exchange(
    server: Path, headers: Iterable[tuple[str, str]], source: Path, target: Path, timeout: float, most: int
) -> Answered:
    """POST the bytes of `source` to `/invocations`; the answer's, at most `most`, are written to `target`.

    Raises an `HttpError`; only `Unreachable` says that the server has seen nothing. `ValueError` for a bad header.
    """
    # Before anything is sent: a header may be one that ends its line.
    head = _head(headers, source.stat().st_size)
    reader, writer = await connect(server)
    try:
        async with asyncio.timeout(timeout):
            return await _exchange(reader, writer, head, source, target, most)
    except TimeoutError:
        raise TimedOut(f"no answer within {timeout:g} seconds") from None
    except (OSError, EOFError, asyncio.LimitOverrunError, ValueError, http.client.HTTPException) as error:
        raise Broken(f"the connection ended before an answer: {error}") from error
    finally:
        writer.transport.abort()


def _head(headers: Iterable[tuple[str, str]], size: int) -> bytes:
    told = request_bytes("POST", "/invocations", [*headers, ("connection", "close")], b"")
    return told.replace(b"content-length: 0\r\n", b"content-length: %d\r\n" % size, 1)


async def connect(server: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        if server.name == remote_socket.NAME:
            return await asyncio.open_connection(sock=await remote_socket.dial(server), limit=MAX_HEAD)
        return await asyncio.open_unix_connection(sock=_line(server), limit=MAX_HEAD)
    except OSError as error:
        raise Unreachable(str(error)) from error


def _line(path: Path) -> socket.socket:
    """A socket's address holds 107 bytes, fewer than many a folder's path. Raises `OSError`."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    line = socket.socket(socket.AF_UNIX)
    try:
        line.settimeout(DIAL_SECONDS)
        line.connect(f"/proc/self/fd/{folder}/{path.name}")
        line.setblocking(False)
    except OSError:
        line.close()
        raise
    finally:
        os.close(folder)
    return line


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes, source: Path, target: Path, most: int
) -> Answered:
    sending = asyncio.create_task(_send(writer, head, source))
    try:
        status, headers = await _read_head(reader)
        with target.open("wb") as file:
            size = await _read_body(reader, headers, file, most)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        return Answered(status, headers, size)
    finally:
        # A server may answer what it has not read.
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError, RuntimeError):
            await sending


async def _send(writer: asyncio.StreamWriter, head: bytes, source: Path) -> None:
    writer.write(head)
    await writer.drain()
    with source.open("rb") as file:
        await asyncio.get_running_loop().sendfile(writer.transport, file)


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    while True:
        first, _, rest = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
        version, _, told = first.partition(b" ")
        if not version.startswith(b"HTTP/1.") or not told[:3].isdigit():
            raise Broken("not an HTTP answer")
        if int(told[:3]) >= 200:
            fields = http.client.parse_headers(io.BytesIO(rest))
            return int(told[:3]), {name.lower(): value.strip() for name, value in fields.items()}


async def _read_body(reader: asyncio.StreamReader, headers: dict[str, str], file: BinaryIO, most: int) -> int:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return await _read_chunks(reader, file, most)
    if "content-length" in headers:
        size = int(headers["content-length"])
        if size < 0:
            raise Broken("not an HTTP answer")
        await _copy(reader, file, size, most)
        return size
    size = 0
    while piece := await reader.read(CHUNK):
        size += len(piece)
        _bounded(size, most)
        file.write(piece)
    return size


async def _read_chunks(reader: asyncio.StreamReader, file: BinaryIO, most: int) -> int:
    total = 0
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0].strip(), 16):
        if size < 0:
            raise Broken("not an HTTP answer")
        total += size
        await _copy(reader, file, size, most - total + size)
        await reader.readexactly(2)
    return total


async def _copy(reader: asyncio.StreamReader, file: BinaryIO, size: int, most: int) -> None:
    _bounded(size, most)
    while size:
        piece = await reader.read(min(size, CHUNK))
        if not piece:
            raise Broken("the connection ended within the answer")
        file.write(piece)
        size -= len(piece)


def _bounded(size: int, most: int) -> None:
    if size > most:
        raise TooLarge(f"the answer is longer than {most} bytes")


__all__ = ["Answered", "HttpError", "exchange"]
