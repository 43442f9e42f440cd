"""Sending a file's bytes without bringing them into this process, and without waiting for the disk in the loop."""

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from clary.wire.http.exchange import Line

SMALL = 256 * 1024
"""Bytes that are read and sent with the head, if the kernel has them in memory."""
STEP = 8 * 1024 * 1024
"""Most bytes given to the kernel at once."""
PATIENCE = 300.0
"""Seconds that a client may take to make room for more."""

_threads = ThreadPoolExecutor(8, "clary-files")


class File(NamedTuple):
    number: int
    size: int


@contextmanager
def opened(path: Path) -> Iterator[File]:
    """Raises `OSError`."""
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield File(number, os.fstat(number).st_size)
    finally:
        os.close(number)


async def send(line: "Line", head: bytes, file: File, begin: int, end: int) -> None:
    """Raises `OSError`: also when the file is shorter than that, or the client is gone or too slow."""
    if end - begin <= SMALL and (content := _at_hand(file, begin, end)) is not None:
        line.transport.write(head + content)
        return
    line.transport.write(head)
    await line.drained()
    await _pass_on(line.transport.get_extra_info("socket").fileno(), file, begin, end)


def _at_hand(file: File, begin: int, end: int) -> bytes | None:
    """The bytes, if reading them does not wait for the disk."""
    content = bytearray(end - begin)
    with suppress(OSError):
        if os.preadv(file.number, [content], begin, os.RWF_NOWAIT) == len(content):
            return bytes(content)
    return None


async def _pass_on(line: int, file: File, begin: int, end: int) -> None:
    loop = asyncio.get_running_loop()
    # A handle of our own, which the loop lets us watch, and which is still this connection's if that is closed.
    handle = os.dup(line)
    try:
        while begin < end:
            try:
                sent = await _shielded(loop, handle, file.number, begin, min(STEP, end - begin))
            except BlockingIOError:
                await _room(loop, handle)
                continue
            if not sent:
                raise OSError("the file became shorter while it was sent")
            begin += sent
    finally:
        os.close(handle)


async def _shielded(loop: asyncio.AbstractEventLoop, handle: int, file: int, begin: int, size: int) -> int:
    """In a thread, which is done with both descriptors before anyone closes them."""
    step = loop.run_in_executor(_threads, os.sendfile, handle, file, begin, size)
    try:
        return await asyncio.shield(step)
    except asyncio.CancelledError:
        with suppress(OSError):
            await step
        raise


async def _room(loop: asyncio.AbstractEventLoop, handle: int) -> None:
    """Until the client takes more."""
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(handle, _tell, ready)
    try:
        async with asyncio.timeout(PATIENCE):
            await ready
    finally:
        loop.remove_writer(handle)


def _tell(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
