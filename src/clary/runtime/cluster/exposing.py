"""The node's end of a model server's socket: a TCP port that carries callers who know the secret to it. The seat's.

Its loop runs in a thread of the seat. What has not proved itself in time is cut off, and there may be few of those.
"""

import asyncio
import contextlib
import os
import socket
import threading
from pathlib import Path
from typing import cast

from clary.runtime.remote_socket import NUMBER, PROOF, READY, Address, is_proof, prove

PROOF_SECONDS = 5.0
STRANGERS = 64
"""Callers at once that have not proved themselves."""


class Exposed:
    """Opened at once. `path`: the model server's, which may not be there yet."""

    def __init__(self, path: Path, known: Address) -> None:
        """`known`: where it was before, if at all; on another port when that is somebody else's by now."""
        self._path, self._secret = path, known.secret
        self._listener = _listen(known.host, known.port)
        self.address = Address(known.host, self._listener.getsockname()[1], known.secret)
        self._strangers = 0
        self._ends = set[_End]()
        self._loop = asyncio.new_event_loop()
        self._serving = self._loop.create_task(self._serve())
        self._thread = threading.Thread(target=self._run, name="exposed", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Cut off everybody."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._serving.cancel)
        self._thread.join()

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError), self._listener:
            self._loop.run_until_complete(self._serving)
        self._loop.close()

    async def _serve(self) -> None:
        tasks = set[asyncio.Task[None]]()
        try:
            await self._accept(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for end in self._ends:
                end.end()
            # An end says goodbye in the loop's next turn.
            await asyncio.sleep(0)

    async def _accept(self, tasks: set[asyncio.Task[None]]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                line, _ = await loop.sock_accept(self._listener)
            except OSError:
                # Out of descriptors, or a caller that was gone again.
                await asyncio.sleep(0.05)
                continue
            if self._strangers >= STRANGERS:
                line.close()
                continue
            self._strangers += 1
            task = loop.create_task(self._meet(line))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def _meet(self, line: socket.socket) -> None:
        """Let the caller in, or cut it off."""
        joined = False
        try:
            line.setblocking(False)
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(PROOF_SECONDS):
                if await self._is_trusted(line):
                    await self._join(line)
                    joined = True
        except OSError:
            # It hung up, took too long, or the model server does not listen.
            pass
        finally:
            self._strangers -= 1
            if not joined:
                line.close()

    async def _is_trusted(self, line: socket.socket) -> bool:
        loop = asyncio.get_running_loop()
        callers, own = await _exactly(line, NUMBER), os.urandom(NUMBER)
        await loop.sock_sendall(line, own + prove(self._secret, b"node", callers, own))
        return is_proof(await _exactly(line, PROOF), self._secret, b"caller", callers, own)

    async def _join(self, line: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        caller, server = _End(self._ends), _End(self._ends)
        caller.other, server.other = server, caller
        await loop.create_unix_connection(lambda: server, str(self._path))
        try:
            await loop.sock_sendall(line, READY)
            await loop.connect_accepted_socket(lambda: caller, line)
        except BaseException:
            server.end()
            raise
        if server.is_closing:
            caller.end()


class _End(asyncio.Protocol):
    """One end of a line that is carried on. It reads no faster than the other end writes."""

    other: "_End"

    def __init__(self, known: "set[_End]") -> None:
        self._known = known
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._known.add(self)

    def data_received(self, data: bytes) -> None:
        if self.other._transport:
            self.other._transport.write(data)

    def eof_received(self) -> bool:
        with contextlib.suppress(OSError, RuntimeError):
            if self.other._transport:
                self.other._transport.write_eof()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._known.discard(self)
        self.other.end()

    def pause_writing(self) -> None:
        if self.other._transport:
            self.other._transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other._transport:
            self.other._transport.resume_reading()

    @property
    def is_closing(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def end(self) -> None:
        """What was taken in for it still goes out."""
        if self._transport:
            self._transport.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for wanted in (port, 0):
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, wanted))
            listener.listen(256)
        except OSError:
            listener.close()
            if not wanted:
                raise
            continue
        listener.setblocking(False)
        return listener
    raise AssertionError


async def _exactly(line: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        data = await asyncio.get_running_loop().sock_recv(line, count - len(got))
        if not data:
            raise ConnectionResetError
        got += data
    return got
