"""One client's connection: requests out of the bytes that arrive, given to the application one after the other.

llhttp (by httptools) reads them, strictly: what leaves room for two readings is refused. `door.py` lets connections in.
"""

import asyncio
import logging
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from clary.wire.http.answers import head_of
from clary.wire.http.exchange import Exchange, Gone
from clary.wire.messages import Head

Application = Callable[[Exchange], Awaitable[None]]

MAX_HEAD = 64 * 1024
MAX_IN_A_ROW = 1000
"""Requests that a client may send before it has read an answer."""
HIGH, LOW = 1024 * 1024, 256 * 1024
"""Bytes of bodies that nobody has taken yet: no more is read, and read again."""
HEAD_SECONDS = 30.0
"""How long a request's head may take."""
IDLE_SECONDS = 120.0
"""How long a connection is kept that asks nothing."""
SEND_SECONDS = 300.0
"""How long a client may take nothing of what was written to it."""
LINGER_SECONDS, LINGER_MOST = 2.0, 30.0
"""How long a client whose request was not read to its end may be silent and may go on, so that it reads the answer."""
NO_LINGERING = struct.pack("ii", 1, 0)

log = logging.getLogger("clary.wire")


class Home(Protocol):
    """What a connection needs of the door it came through."""

    application: Application
    loop: asyncio.AbstractEventLoop
    is_closing: bool
    buffer: memoryview
    """What has just arrived, on whichever connection."""

    def hold(self, connection: "Connection") -> None:
        """It is open."""

    def forget(self, connection: "Connection") -> None:
        """It is closed."""


class _Refused(Exception):
    """What comes is no request that can be answered."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Connection(asyncio.BufferedProtocol):
    """The first exchange in the row is being answered; the last may still be arriving."""

    transport: asyncio.Transport

    def __init__(self, home: Home) -> None:
        self._home = home
        self._parser = HttpRequestParser(self)
        self._row: deque[Exchange] = deque()
        self._arriving: Exchange | None = None
        self._task: asyncio.Task[None] | None = None
        self._url = b""
        self._fields: list[tuple[str, str]] = []
        self._silent = 0
        """Bytes that came without becoming anything: of a head, most of the time."""
        self._unread = 0
        self._is_deaf = False
        """No further request is read: after `_refusal`, or the last one is in the row."""
        self._refusal = 0
        self._is_over = False
        """All is answered; what still comes is thrown away."""
        self._is_stopped = False
        """Reading is paused."""
        self._room: asyncio.Future[None] | None = None
        """While the client has not taken what was written."""
        self._unsent = 0
        self._since = home.loop.time()
        """When it last became idle, or got on with something."""
        self._head_since = self._over_since = 0.0

    # --- what arrives; called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        # Writing counts as held up as soon as the kernel takes no more.
        self.transport.set_write_buffer_limits(0)
        self._home.hold(self)

    def get_buffer(self, _hint: int) -> memoryview:
        return self._home.buffer

    def buffer_updated(self, size: int) -> None:
        if self._is_deaf:
            self._since = self._home.loop.time()
            return
        self._silent += size
        try:
            self._parser.feed_data(self._home.buffer[:size])
        except HttpParserUpgrade:
            self._go_deaf()
        except HttpParserError as error:
            self._refuse(error.__context__.status if isinstance(error.__context__, _Refused) else 400)
        if self._silent > MAX_HEAD and not self._is_deaf:
            self._refuse(431)
        if self._row and self._task is None and self._room is None:
            self._begin()
        elif self._refusal and not self._row:
            self._go_on()
        if not self._is_stopped and (self._unread > HIGH or len(self._row) > 1):
            self._is_stopped = True
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """A client that has only ended its own side still gets its answers."""
        self._go_deaf()
        self._arriving = None
        for exchange in self._row:
            exchange.lose()
        return bool(self._row)

    def connection_lost(self, _error: Exception | None) -> None:
        self._is_deaf = self._is_over = True
        for exchange in self._row:
            exchange.lose()
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._home.forget(self)
        # They refer to each other.
        self._parser = cast(Any, None)

    def pause_writing(self) -> None:
        self._room = self._home.loop.create_future()

    def resume_writing(self) -> None:
        room, self._room = self._room, None
        self._since = self._home.loop.time()
        if room is not None and not room.done():
            room.set_result(None)
        if self._task is None and not self._is_over:
            self._go_on()

    # --- called by llhttp, within `buffer_updated`

    def on_message_begin(self) -> None:
        self._url, self._fields = b"", []
        self._head_since = self._home.loop.time()

    def on_url(self, part: bytes) -> None:
        self._url += part

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._arriving is not None:
            return  # a trailer
        self._fields.append((_name(name), _value(value)))

    def on_headers_complete(self) -> None:
        self._silent = 0
        path, query = _target(self._url)
        fields = self._fields
        if len(self._url) + sum([len(name) + len(value) for name, value in fields]) > MAX_HEAD:
            raise _Refused(431)
        head = Head(self._parser.get_method().decode(), path, query, fields)
        if head.named.get("transfer-encoding", "chunked").lower() != "chunked":
            raise _Refused(400)
        old = self._parser.get_http_version() == "1.0"
        self._arriving = Exchange(head, self, keeps=self._parser.should_keep_alive(), old=old)
        self._row.append(self._arriving)

    def on_body(self, piece: bytes) -> None:
        assert self._arriving is not None
        self._silent = 0
        self._unread += len(piece)
        self._arriving.arrive(piece)

    def on_message_complete(self) -> None:
        assert self._arriving is not None
        self._silent = 0
        self._arriving.complete()
        self._arriving = None
        self._head_since = 0.0
        if len(self._row) > MAX_IN_A_ROW:
            raise _Refused(400)

    # --- what an exchange asks

    def taken(self, size: int) -> None:
        self._unread -= size
        self._read_on()

    def stays(self, exchange: Exchange) -> bool:
        if not exchange.keeps or not exchange.is_whole or self._home.is_closing:
            return False
        return not self._is_deaf or exchange is not self._row[-1]

    async def drained(self) -> None:
        if self._room is not None:
            # Shielded: whoever waits may be cancelled, and the room is waited for all the same.
            await asyncio.shield(self._room)
        if self.transport.is_closing():
            raise Gone("the client went away")

    # --- one after the other

    def _begin(self) -> None:
        self._task = self._home.loop.create_task(self._answer(self._row[0]))

    async def _answer(self, exchange: Exchange) -> None:
        failed = True
        try:
            await self._home.application(exchange)
            failed = False
        except (ConnectionError, TimeoutError):
            # The client is gone, or too slow.
            pass
        except Exception:
            log.exception("a request (%s) failed", exchange.head.method)
        finally:
            self._task = None
            self._end(exchange, failed)

    def _end(self, exchange: Exchange, failed: bool) -> None:
        is_whole = exchange.end(failed=failed)
        self._row.popleft()
        self._since = self._home.loop.time()
        if self._is_over:
            return
        if not exchange.is_answered:
            exchange.keeps = False
            exchange.answer(self._refusal or 500, [])
        elif not is_whole:
            self._break_off()
            return
        if not exchange.keeps or not exchange.is_whole or self._home.is_closing:
            self._hang_up()
        elif self._room is None:
            self._go_on()

    def _go_on(self) -> None:
        """With the next request, if it has come."""
        self._read_on()
        if self._row:
            self._begin()
        elif self._refusal:
            self.transport.write(head_of(self._refusal, [], "content-length: 0\r\n", keeps=False, old=False))
            self._hang_up()
        elif self._is_deaf:
            self._hang_up()

    def _read_on(self) -> None:
        if self._is_stopped and self._unread < LOW and len(self._row) <= 1 and not self._is_over:
            self._is_stopped = False
            self.transport.resume_reading()

    def _refuse(self, status: int) -> None:
        self._refusal = status
        self._go_deaf()

    def _go_deaf(self) -> None:
        self._is_deaf = True
        if self._arriving is not None:
            self._arriving.lose()

    def _hang_up(self) -> None:
        """Once what was written has been sent. While a client still sends, closing at once would lose the answer."""
        self._is_deaf = self._is_over = True
        self._since = self._over_since = self._home.loop.time()
        if self._arriving is None and not self._refusal:
            self.transport.close()
            return
        if self._is_stopped:
            self._is_stopped = False
            self.transport.resume_reading()
        self.transport.write_eof()

    def _break_off(self) -> None:
        """By a reset: a client must not take a part for the whole."""
        line = self.transport.get_extra_info("socket")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGERING)
        self.transport.abort()

    # --- by the door

    def shut(self) -> None:
        """No further request; closed at once if none is being answered."""
        if not self._row and not self._is_over:
            self._hang_up()

    def look(self, now: float) -> None:
        """Give up a client that takes too long."""
        waited = now - self._since
        if self._room is not None:
            if (unsent := self.transport.get_write_buffer_size()) != self._unsent:
                self._unsent, self._since = unsent, now
            elif waited > SEND_SECONDS:
                self.transport.abort()
        elif self._is_over:
            if waited > LINGER_SECONDS or now - self._over_since > LINGER_MOST:
                self.transport.abort()
        elif not self._row and (now - self._head_since > HEAD_SECONDS if self._head_since else waited > IDLE_SECONDS):
            self.transport.abort()


_NAMES: dict[bytes, str] = {}


def _name(raw: bytes) -> str:
    """In lower case; those that are seen again and again are the same object."""
    name = _NAMES.get(raw)
    if name is None:
        name = raw.decode("latin-1").lower()
        if len(_NAMES) < 1000:
            _NAMES[raw] = name
    return name


def _value(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape").rstrip(" \t")


def _target(url: bytes) -> tuple[str, str]:
    """Path and query, as sent."""
    text = url.decode("latin-1")
    if not text.startswith("/"):
        scheme, found, rest = text.partition("://")
        if not found or scheme.lower() not in ("http", "https"):
            raise _Refused(400)
        text = "/" + rest.partition("/")[2]
    path, _, query = text.partition("?")
    return path, query
