"""The API's HTTP by raw sockets: what a client may do to a connection, and what it gets."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.harness import serve_app
from tests.servers import wait_until

from clary.wire.http import connection
from clary.wire.http.connection import Connection
from clary.wire.http.door import Door
from clary.wire.http.exchange import Exchange, Gone
from clary.wire.http.listening import listen

MB = 1024 * 1024
PATIENCE = 60.0
GET = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n"


class Application:
    """Answers by path. `go` lets those go on that wait; `seen` are bodies, or what ended them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.go = threading.Event()
        self.seen: list[object] = []

    async def __call__(self, exchange: Exchange) -> None:
        handler: Callable[[Exchange], Any] = getattr(self, exchange.head.path.strip("/").replace("/", "_") or "echo")
        await handler(exchange)

    async def echo(self, exchange: Exchange) -> None:
        told = f"{exchange.head.method} {exchange.head.path} {exchange.head.query} ".encode()
        exchange.answer(200, [("x-told", exchange.head.header("x-say"))], told + await exchange.read())

    async def wait(self, exchange: Exchange) -> None:
        await self._until_go()
        await self.echo(exchange)

    async def take_late(self, exchange: Exchange) -> None:
        await self._until_go()
        size = 0
        try:
            async for piece in exchange:
                size += len(piece)
        except Gone:
            self.seen.append("gone")
            raise
        exchange.answer(200, [], b"%d" % size)

    async def refuse(self, exchange: Exchange) -> None:
        exchange.answer(403, [], b"no")

    async def fail(self, exchange: Exchange) -> None:
        raise ZeroDivisionError("a fault")

    async def nothing(self, exchange: Exchange) -> None:
        pass

    async def forge(self, exchange: Exchange) -> None:
        exchange.answer(200, [("x-a", "b\r\nset-cookie: forged\r\n\r\nbody"), ("x-b", "é\t\0")])

    async def stream(self, exchange: Exchange) -> None:
        exchange.stream(200, [])
        for word in (b"one", b"", b"two"):
            await exchange.send(word)

    async def known(self, exchange: Exchange) -> None:
        """A stream that says how long it will be."""
        exchange.stream(200, [("content-length", "6")])
        await exchange.send(b"one")
        await exchange.send(b"two")

    async def short(self, exchange: Exchange) -> None:
        exchange.stream(200, [("content-length", "6")])
        await exchange.send(b"one")

    async def broken(self, exchange: Exchange) -> None:
        exchange.stream(200, [])
        await exchange.send(b"one")
        raise ZeroDivisionError("a fault")

    async def endless(self, exchange: Exchange) -> None:
        self.seen.append(0)
        exchange.stream(200, [])
        try:
            while True:
                self.seen[0] += 1  # type: ignore[operator]
                await exchange.send(bytes(65536))
        except Gone:
            self.seen.append("gone")

    async def file(self, exchange: Exchange) -> None:
        part = tuple(int(text) for text in exchange.head.query.split("-") if text)
        await exchange.answer_file(200, [("etag", "e")], self.folder / "file", part or None)  # type: ignore[arg-type]

    async def _until_go(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self.go.wait, PATIENCE)


@pytest.fixture
def app(tmp_path: Path) -> Application:
    return Application(tmp_path)


@pytest.fixture
def connect(app: Application) -> Iterator[Callable[[], socket.socket]]:
    opened = []
    with serve_app(app) as url:
        port = int(url.rpartition(":")[2])

        def open_one() -> socket.socket:
            opened.append(socket.create_connection(("127.0.0.1", port), PATIENCE))
            return opened[-1]

        try:
            yield open_one
        finally:
            app.go.set()
            for line in opened:
                line.close()


def ask(line: socket.socket, *raw: bytes) -> bytes:
    """What comes back until the server hangs up, without `date`."""
    for piece in raw:
        line.sendall(piece)
    return rest(line)


def rest(line: socket.socket) -> bytes:
    found = b""
    with suppress(ConnectionResetError):
        while piece := line.recv(65536):
            found += piece
    return b"".join(part for part in found.splitlines(keepends=True) if not part.startswith(b"date: "))


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK", closes: bool = False) -> bytes:
    lines = [b"HTTP/1.1 " + status, *headers, b"content-length: %d" % len(body)]
    return b"\r\n".join([*lines, *([b"connection: close"] if closes else []), b"", body])


def post(path: bytes, size: int, *headers: bytes, version: bytes = b"1.1") -> bytes:
    lines = [b"POST %b HTTP/%b" % (path, version), b"Host: x", b"Content-Length: %d" % size, *headers]
    return b"\r\n".join([*lines, b"", b""])


CLOSE = b"Connection: close"
TOLD = b"x-told: "


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (post(b"/echo?a=%20b", 3, CLOSE) + b"abc", answer(b"POST /echo a=%20b abc", TOLD, closes=True)),
        (b"GET http://other/echo?q HTTP/1.1\r\nConnection: close\r\n\r\n", answer(b"GET /echo q ", TOLD, closes=True)),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX-Say:  \xc3\xa9 \r\nConnection: close\r\n\r\n"
            b"3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nX-Say: trailer\r\n\r\n",
            answer(b"POST /  abcd", "x-told: é".encode(), closes=True),
        ),
        (b"GET /echo HTTP/1.0\r\n\r\n", answer(b"GET /echo  ", TOLD, closes=True)),
        (b"HEAD /echo HTTP/1.1\r\n" + CLOSE + b"\r\n\r\n", answer(b"HEAD /echo  ", TOLD, closes=True)[:-12]),
        (b"GET /fail HTTP/1.1\r\n\r\n", answer(b"", status=b"500 Internal Server Error", closes=True)),
        (b"GET /nothing HTTP/1.1\r\n\r\n", answer(b"", status=b"500 Internal Server Error", closes=True)),
        (b"GET * HTTP/1.1\r\n\r\n", answer(b"", status=b"400 Bad Request", closes=True)),
        (b"GET ftp://x/ HTTP/1.1\r\n\r\n", answer(b"", status=b"400 Bad Request", closes=True)),
        (
            b"GET /forge HTTP/1.1\r\nConnection: close\r\n\r\n",
            answer(b"", b"x-a: b  set-cookie: forged    body", "x-b: é\t ".encode(), closes=True),
        ),
        (
            b"GET /stream HTTP/1.1\r\nConnection: close\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
            b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n",
        ),
        (
            b"GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nonetwo",
        ),
        (
            b"GET /known HTTP/1.1\r\nConnection: close\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nonetwo",
        ),
        (
            b"GET /echo HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nPRI * HTTP/2.0\r\n\r\n",
            answer(b"GET /echo  ", TOLD, closes=True),
        ),
    ],
)
def test_answers_as_bytes(connect: Callable[[], socket.socket], raw: bytes, expected: bytes) -> None:
    assert ask(connect(), raw) == expected


def test_requests_arrive_in_any_pieces(connect: Callable[[], socket.socket]) -> None:
    raw = post(b"/echo", 5) + b"ab\r\nc" + b"GET /echo?2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + GET % b"/refuse"
    raw += post(b"/echo", 0, CLOSE)
    expected = (
        answer(b"POST /echo  ab\r\nc", TOLD)
        + answer(b"GET /echo 2 ", TOLD)[:-16]
        + b"\r\nconnection: keep-alive\r\n\r\nGET /echo 2 "
        + answer(b"no", status=b"403 Forbidden")
        + answer(b"POST /echo  ", TOLD, closes=True)
    )
    assert ask(connect(), raw) == expected
    line = connect()
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    assert ask(line, *[raw[at : at + 1] for at in range(len(raw))]) == expected


def test_a_later_request_waits_for_its_turn(connect: Callable[[], socket.socket], app: Application) -> None:
    line = connect()
    line.sendall(GET % b"/wait" + post(b"/echo", 2 * MB, CLOSE))
    sender = threading.Thread(target=line.sendall, args=(bytes(2 * MB),))
    sender.start()
    assert ask(connect(), post(b"/echo", 0, CLOSE)) == answer(b"POST /echo  ", TOLD, closes=True)
    app.go.set()
    assert rest(line) == answer(b"GET /wait  ", TOLD) + answer(b"POST /echo  " + bytes(2 * MB), TOLD, closes=True)
    sender.join()


def test_a_body_that_nobody_takes_stays_with_the_client(connect: Callable[[], socket.socket], app: Application) -> None:
    size = 64 * MB
    line = connect()
    line.sendall(post(b"/take/late", size, CLOSE))
    line.settimeout(1)
    sent = 0
    with suppress(TimeoutError):
        while sent < size:
            sent += line.send(bytes(min(MB, size - sent)))
    assert sent < size // 2
    app.go.set()
    line.settimeout(PATIENCE)
    assert ask(line, bytes(size - sent)) == answer(b"%d" % size, closes=True)


def test_what_was_not_taken_does_not_hold_up_the_next_request(connect: Callable[[], socket.socket]) -> None:
    line = connect()
    for _ in range(5):
        line.sendall(post(b"/refuse", 300_000, b"X-Long: " + b"a" * 3000))
        sender = threading.Thread(target=_send_all, args=(line, bytes(300_000)))
        sender.start()
        found = b""
        while not found.endswith(b"no"):
            found += line.recv(4096)
        sender.join()
        if b"connection: close" in found:
            line = connect()
    line.sendall(post(b"/echo", 2 * MB, CLOSE) + bytes(2 * MB))
    assert len(rest(line)) > 2 * MB


def _send_all(line: socket.socket, data: bytes) -> None:
    with suppress(ConnectionError):
        line.sendall(data)


def test_leave_to_send_is_given_to_whose_body_is_wanted(connect: Callable[[], socket.socket]) -> None:
    line = connect()
    line.sendall(post(b"/echo", 3, b"Expect: 100-continue", CLOSE))
    assert line.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert ask(line, b"abc") == answer(b"POST /echo  abc", TOLD, closes=True)
    expected = answer(b"no", status=b"403 Forbidden", closes=True)
    assert ask(connect(), post(b"/refuse", 3, b"Expect: 100-continue")) == expected


def test_a_client_that_still_sends_reads_why_it_was_refused(connect: Callable[[], socket.socket]) -> None:
    line = connect()
    line.sendall(post(b"/refuse", 32 * MB))
    sender = threading.Thread(target=_send_all, args=(line, bytes(32 * MB)))
    sender.start()
    sender.join()
    assert rest(line) == answer(b"no", status=b"403 Forbidden", closes=True)


def test_who_has_only_ended_its_own_side_is_answered(connect: Callable[[], socket.socket], app: Application) -> None:
    line = connect()
    line.sendall(GET % b"/wait" + GET % b"/echo")
    line.shutdown(socket.SHUT_WR)
    app.go.set()
    told = rest(line).replace(CLOSE.lower() + b"\r\n", b"")
    assert told == answer(b"GET /wait  ", TOLD) + answer(b"GET /echo  ", TOLD)


def test_half_a_body_is_no_body(connect: Callable[[], socket.socket], app: Application) -> None:
    line = connect()
    line.sendall(post(b"/take/late", 10) + b"half")
    line.shutdown(socket.SHUT_WR)
    app.go.set()
    assert rest(line) == answer(b"", status=b"500 Internal Server Error", closes=True)
    assert app.seen == ["gone"]
    chunks = b"POST /take/late HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    assert ask(connect(), chunks) == answer(b"", status=b"400 Bad Request", closes=True)


@pytest.mark.parametrize("path", [b"/short", b"/broken"])
def test_a_part_is_not_taken_for_the_whole(connect: Callable[[], socket.socket], path: bytes) -> None:
    line = connect()
    line.sendall(GET % path)
    found = b""
    with pytest.raises(ConnectionResetError):
        while piece := line.recv(4096):
            found += piece
    assert b"one" in found and not found.endswith(b"0\r\n\r\n")


def test_a_stream_waits_for_its_client_and_ends_with_it(connect: Callable[[], socket.socket], app: Application) -> None:
    line = connect()
    line.sendall(GET % b"/endless")
    assert line.recv(10) == b"HTTP/1.1 2"
    last: list[object] = [-1] * 20

    def stands_still() -> bool:
        last[:] = [*last[1:], app.seen[0]]
        return last[0] == last[-1]

    wait_until(stands_still)
    assert app.seen[0] < 64 * MB // 65536  # type: ignore[operator]
    line.close()
    wait_until(lambda: app.seen[-1] == "gone")


@pytest.mark.parametrize("size", [0, 1000, 256 * 1024, 256 * 1024 + 1, 9 * MB])
def test_files(connect: Callable[[], socket.socket], app: Application, size: int) -> None:
    content = os.urandom(size)
    (app.folder / "file").write_bytes(content)
    line = connect()
    line.sendall(GET % b"/file" + b"HEAD /file HTTP/1.1\r\n\r\n" + b"GET /file?%d-%d HTTP/1.1\r\n" % (size // 3, size))
    expected = answer(content, b"etag: e") + answer(content, b"etag: e")[: -size or None]
    assert ask(line, CLOSE + b"\r\n\r\n") == expected + answer(content[size // 3 :], b"etag: e", closes=True)


def test_a_file_that_shrinks_or_is_not_there(connect: Callable[[], socket.socket], app: Application) -> None:
    assert ask(connect(), GET % b"/file") == answer(b"", status=b"500 Internal Server Error", closes=True)
    with (app.folder / "file").open("wb") as file:
        file.truncate(64 * MB)
    line = connect()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.sendall(GET % b"/file")
    assert line.recv(10) == b"HTTP/1.1 2"
    os.truncate(app.folder / "file", MB)
    with pytest.raises(ConnectionResetError):
        while line.recv(MB):
            pass


@pytest.mark.parametrize(
    ("begin", "status"),
    [
        (b"GET /" + b"a" * 70_000, b"431 Request Header Fields Too Large"),
        (b"GET / HTTP/1.1\r\nX: ", b"431 Request Header Fields Too Large"),
        (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 5, b"431 Request Header Fields Too Large"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"431 Request Header Fields Too Large"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;", b"431 Request Header Fields Too Large"),
    ],
)
def test_what_never_ends_is_refused(connect: Callable[[], socket.socket], begin: bytes, status: bytes) -> None:
    """A head, its last header, its list of headers, a trailer, a chunk's extension."""
    line = connect()
    line.sendall(begin)
    more = b"X: a\r\n" * 2000 if begin.endswith(b"\r\n") else b"a" * 10_000
    with suppress(ConnectionError):
        for _ in range(40):
            line.sendall(more)
    assert rest(line) == answer(b"", status=status, closes=True)


def test_who_sends_requests_without_reading_is_stopped(connect: Callable[[], socket.socket], app: Application) -> None:
    line = connect()
    line.sendall(GET % b"/wait")
    line.settimeout(1)
    sent = 0
    with suppress(OSError):
        while sent < 32 * MB:
            sent += line.send((GET % b"/echo") * 10_000)
    assert sent < 32 * MB


# --- the door


class Site:
    """A door in a loop of its own, and the connections that it lets in."""

    def __init__(self, app: Application, most: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.socket = listen("127.0.0.1", 0, 128)
        self.address = self.socket.getsockname()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.door: Door = self.run(self._open(app, most))

    async def _open(self, app: Application, most: int) -> Door:
        door = Door(app, self.socket, most)
        door.open()
        return door

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, PATIENCE)

    def look(self, seconds: float) -> None:
        """As if so many seconds had gone by."""

        async def look() -> None:
            held: list[Connection] = list(self.door._connections)
            for each in held:
                each.look(self.loop.time() + seconds)

        self.run(look())


@contextmanager
def site(app: Application, most: int = 100) -> Iterator[Site]:
    made = Site(app, most)
    try:
        yield made
    finally:
        app.go.set()
        made.run(made.door.close(1))
        made.loop.call_soon_threadsafe(made.loop.stop)
        made.thread.join()
        made.loop.close()


def test_no_more_are_let_in_than_there_is_room_for(app: Application) -> None:
    with site(app, most=2) as here, here.connect() as first, here.connect() as second, here.connect() as third:
        for line in (first, second):
            line.sendall(GET % b"/echo")
            assert line.recv(4096).endswith(b"GET /echo  ")
        third.sendall(GET % b"/echo")
        third.settimeout(0.3)
        with pytest.raises(TimeoutError):
            third.recv(1)
        first.close()
        third.settimeout(PATIENCE)
        assert third.recv(4096).endswith(b"GET /echo  ")


def test_the_end_waits_for_what_is_being_answered(app: Application) -> None:
    with site(app) as here, here.connect() as idle, here.connect() as busy, here.connect() as stuck:
        idle.sendall(GET % b"/echo")
        assert idle.recv(4096).endswith(b"GET /echo  ")
        busy.sendall(GET % b"/wait")
        stuck.sendall(b"GET /ec")
        wait_until(lambda: len(here.door._connections) == 3 and any(each._row for each in here.door._connections))
        closing = asyncio.run_coroutine_threadsafe(here.door.close(PATIENCE), here.loop)
        assert (rest(idle), rest(stuck)) == (b"", b"")
        with pytest.raises(ConnectionRefusedError):
            here.connect()
        app.go.set()
        assert rest(busy) == answer(b"GET /wait  ", TOLD, closes=True)
        closing.result(PATIENCE)


def test_the_end_leaves_nobody_who_was_just_coming_in(app: Application) -> None:
    with site(app) as here:
        lines = [here.connect() for _ in range(100)]
        here.run(here.door.close(2 * PATIENCE))
        assert here.door._connections == set() == here.door._coming
        assert {rest(line) for line in lines} == {b""}
        for line in lines:
            line.close()


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        (b"", connection.IDLE_SECONDS),
        (GET % b"/echo", connection.IDLE_SECONDS),
        (b"GET /ech", connection.HEAD_SECONDS),
        (GET % b"/echo" + b"GET /ech", connection.HEAD_SECONDS),
        (post(b"/refuse", 10), connection.LINGER_SECONDS),
        (GET % b"/file", connection.SEND_SECONDS),
    ],
)
def test_who_takes_too_long_is_given_up(app: Application, raw: bytes, seconds: float) -> None:
    (app.folder / "file").write_bytes(b"")
    with site(app) as here, here.connect() as line:
        line.sendall(raw)
        if b"HTTP" in raw:
            assert line.recv(12) in (b"HTTP/1.1 200", b"HTTP/1.1 403")
        wait_until(lambda: len(here.door._connections) == 1)
        if raw and seconds not in (connection.LINGER_SECONDS, connection.SEND_SECONDS):
            here.look(seconds - 5)
            assert len(here.door._connections) == 1
        here.look(seconds + 5)
        wait_until(lambda: not here.door._connections)
