"""The API's port in one worker process: who is let in, who has to leave, and how it ends. `workers.py` opens it."""

import asyncio
import socket

from clary.wire.http.connection import Application, Connection

LET_IN = 64
"""Most connections accepted at once."""
BUFFER = 256 * 1024
"""Most bytes read at once."""
LOOK_SECONDS = 1.0
"""Between looks at who takes too long."""
FULL_SECONDS = 0.1
"""Until the next try, where no file is free for a connection."""


class Door:
    """`most`: connections held at once; further ones wait in the kernel."""

    def __init__(self, application: Application, door: socket.socket, most: int = 20_000) -> None:
        self.application = application
        self.loop = asyncio.get_running_loop()
        self.is_closing = False
        # One for all: what arrives is taken out of it at once, and asyncio need not make a new one for each read.
        self.buffer = memoryview(bytearray(BUFFER))
        self._door = door
        self._most = most
        self._connections: set[Connection] = set()
        self._coming: set[asyncio.Task[object]] = set()
        self._is_open = False
        self._emptied = asyncio.Event()
        self._looks: asyncio.TimerHandle | None = None
        door.setblocking(False)

    def open(self) -> None:
        self._watch()
        self._looks = self.loop.call_later(LOOK_SECONDS, self._look)

    async def close(self, seconds: float) -> None:
        """No new connections and requests; what is being answered may go on for so long."""
        self.is_closing = True
        self._ignore()
        self._door.close()
        # Who is just coming in is let in, to be shut out in order.
        await asyncio.gather(*self._coming, return_exceptions=True)
        for connection in list(self._connections):
            connection.shut()
        if self._connections:
            self._emptied.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._emptied.wait()
            except TimeoutError:
                pass
        if self._looks is not None:
            self._looks.cancel()

    def hold(self, connection: Connection) -> None:
        self._connections.add(connection)

    def forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._is_open and not self.is_closing and len(self._connections) < self._most:
            self._watch()
        if not self._connections:
            self._emptied.set()

    def _watch(self) -> None:
        if not self._is_open and not self.is_closing:
            self._is_open = True
            self.loop.add_reader(self._door, self._accept)

    def _ignore(self) -> None:
        if self._is_open:
            self._is_open = False
            self.loop.remove_reader(self._door)

    def _accept(self) -> None:
        try:
            for _ in range(LET_IN):
                if len(self._connections) + len(self._coming) >= self._most:
                    self._ignore()
                    return
                line, _ = self._door.accept()
                self._let_in(line)
        except BlockingIOError:
            pass
        except ConnectionError:
            # The client went away while it waited.
            pass
        except OSError:
            self._ignore()
            self.loop.call_later(FULL_SECONDS, self._watch)

    def _let_in(self, line: socket.socket) -> None:
        task = self.loop.create_task(self.loop.connect_accepted_socket(lambda: Connection(self), line))
        self._coming.add(task)
        task.add_done_callback(self._coming.discard)

    def _look(self) -> None:
        now = self.loop.time()
        for connection in list(self._connections):
            connection.look(now)
        self._looks = self.loop.call_later(LOOK_SECONDS, self._look)
