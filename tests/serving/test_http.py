"""The small HTTP client against servers that behave and servers that do not."""

import asyncio
import os
from pathlib import Path

import pytest
from tests.serving.sockets import Answer, never, ok, says, server

from clary.serving.http import Pool, Room, request_bytes
from clary.serving.reply import Broken, HttpError, Reply, TimedOut, TooLarge, Unreachable

ASK = request_bytes("POST", "/invocations", [("content-type", "text/csv")], b"1,2")


async def ask(
    socket: Path, answer: Answer, *, times: int = 1, max_body: int = 1000, timeout: float = 60
) -> list[Reply]:
    pool = Pool(socket, max_body)
    async with server(socket, answer):
        replies = [await pool.send(ASK, timeout) for _ in range(times)]
        pool.close()
    assert pool.outstanding == 0
    return replies


def test_request_is_sent_as_written(tmp_path: Path) -> None:
    async def run() -> list[bytes]:
        pool = Pool(tmp_path / "s", 1000)
        async with server(tmp_path / "s", says(ok(b"7"))) as seen:
            await pool.send(ASK, 60)
            pool.close()
            return seen

    assert asyncio.run(run()) == [
        b"POST /invocations HTTP/1.1\r\nhost: model\r\ncontent-length: 3\r\ncontent-type: text/csv\r\n\r\n1,2"
    ]


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("pieces", "body"),
    [
        ((ok(b"0.5\n"),), b"0.5\n"),
        (tuple(ok(b"0.5\n")[i : i + 1] for i in range(len(ok(b"0.5\n")))), b"0.5\n"),
        ((b"HTTP/1.1 100 Continue\r\n\r\n", ok(b"x")), b"x"),
        ((CHUNKED, b"3\r\nabc\r\n", b"2;ext=1\r\nde\r\n", b"0\r\n\r\n"), b"abcde"),
        ((CHUNKED, b"3\r", b"\nab", b"c\r\n0\r", b"\n\r\n"), b"abc"),
        ((CHUNKED + b"1\r\na\r\n0\r\nx-sum: 1\r\n\r\n",), b"a"),
        ((b"HTTP/1.1 204 No Content\r\n\r\n",), b""),
    ],
)
def test_answer_arrives_whole_and_the_connection_is_used_again(
    tmp_path: Path, pieces: tuple[bytes, ...], body: bytes
) -> None:
    replies = asyncio.run(ask(tmp_path / "s", says(*pieces), times=3))
    assert [reply.body for reply in replies] == [body] * 3


def test_answer_without_length_ends_with_the_connection(tmp_path: Path) -> None:
    answer = says(b"HTTP/1.0 500 Oh\r\nX: 1\r\n\r\n", b"some", b"thing", close=True)
    replies = asyncio.run(ask(tmp_path / "s", answer, times=2))
    assert replies == [Reply(500, {"x": "1"}, b"something")] * 2


@pytest.mark.parametrize(
    ("pieces", "error"),
    [
        ((b"rubbish\r\n\r\n",), Broken),
        ((b"\x00\xff" * 40_000,), Broken),
        ((b"HTTP/1.1 xyz\r\n\r\n",), Broken),
        ((b"HTTP/1.1 200 OK\r\ncontent-length: -4\r\n\r\n",), Broken),
        ((b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n",), TooLarge),
        ((CHUNKED, b"fffffff\r\n"), TooLarge),
        ((CHUNKED, b"zz\r\n"), Broken),
        ((CHUNKED, b"1" * 70_000), Broken),
        ((b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 1001), TooLarge),
    ],
)
def test_nonsense_is_an_error(tmp_path: Path, pieces: tuple[bytes, ...], error: type[HttpError]) -> None:
    with pytest.raises(error):
        asyncio.run(ask(tmp_path / "s", says(*pieces)))


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"])
def test_connection_that_ends_early_is_broken(tmp_path: Path, part: bytes) -> None:
    with pytest.raises(Broken):
        asyncio.run(ask(tmp_path / "s", says(part, close=True)))


def test_silence_times_out(tmp_path: Path) -> None:
    with pytest.raises(TimedOut):
        asyncio.run(ask(tmp_path / "s", never, timeout=0.05))


class _Ahead(asyncio.SelectorEventLoop):
    """Its clock can be put on."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


def test_each_call_on_a_connection_has_its_own_time(tmp_path: Path) -> None:
    """One timer serves them all: a later call may have more time than the one before, or less."""
    takes = iter([0.0, 1000.0, 1000.0])

    async def later(request: bytes, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, _Ahead)
        loop.ahead += next(takes)
        await asyncio.sleep(0.01)
        writer.write(ok(b"late"))

    async def run() -> list[bytes]:
        pool = Pool(tmp_path / "s", 1000)
        async with server(tmp_path / "s", later):
            bodies = [(await pool.send(ASK, timeout)).body for timeout in (500, 5000)]
            with pytest.raises(TimedOut, match="within 600 seconds"):
                await pool.send(ASK, 600)
        return bodies

    with asyncio.Runner(loop_factory=_Ahead) as runner:
        assert runner.run(run()) == [b"late", b"late"]


def test_answers_that_begin_alike_are_told_apart(tmp_path: Path) -> None:
    """Heads are remembered, and what is wrong with one is told each time."""
    bad = b"HTTP/1.1 200 OK\r\ncontent-length: 4x\r\n\r\n1234"

    async def run() -> list[object]:
        pool = Pool(tmp_path / "s", 1000)
        async with server(tmp_path / "s", says(ok(b"a"))):
            found: list[object] = [(await pool.send(ASK, 60)).body]
        async with server(tmp_path / "t", says(ok(b"b") + b"more")):
            other = Pool(tmp_path / "t", 1000)
            found += [(await other.send(ASK, 60)).body for _ in range(2)]
        async with server(tmp_path / "u", says(bad)):
            for _ in range(2):
                with pytest.raises(Broken, match="its length is no number"):
                    await Pool(tmp_path / "u", 1000).send(ASK, 60)
        pool.close()
        other.close()
        return found

    assert asyncio.run(run()) == [b"a", b"b", b"b"]


def test_nobody_listening_is_unreachable(tmp_path: Path) -> None:
    async def run() -> None:
        await Pool(tmp_path / "nobody", 10).send(ASK, 60)

    with pytest.raises(Unreachable):
        asyncio.run(run())


def test_socket_with_a_long_path_is_reached(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()

    async def run() -> Reply:
        near = os.open(folder, os.O_PATH)
        async with server(Path(f"/proc/self/fd/{near}/s"), says(ok(b"far"))):
            pool = Pool(folder / "s", 10)
            reply = await pool.send(ASK, 60)
            pool.close()
        os.close(near)
        return reply

    assert asyncio.run(run()).body == b"far"


def test_server_that_restarts_is_reached_again(tmp_path: Path) -> None:
    async def run() -> list[bytes]:
        pool = Pool(tmp_path / "s", 10)
        bodies = []
        for turn in (b"a", b"b"):
            async with server(tmp_path / "s", says(ok(turn))):
                bodies.append((await pool.send(ASK, 60)).body)
            (tmp_path / "s").unlink(missing_ok=True)
            await asyncio.sleep(0.01)
        pool.close()
        return bodies

    assert asyncio.run(run()) == [b"a", b"b"]


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nb", "a\rb", "a\0b"])
def test_header_cannot_smuggle_another(value: str) -> None:
    with pytest.raises(ValueError, match="line ends"):
        request_bytes("POST", "/", [("x", value)], b"")


def test_large_answers_have_room_for_so_many_at_once(tmp_path: Path) -> None:
    body = b"x" * 1_000_000

    async def half(request: bytes, writer: asyncio.StreamWriter) -> None:
        whole = ok(body)
        writer.write(whole[:900_000])
        await writer.drain()
        await go.wait()
        writer.write(whole[900_000:])

    go = asyncio.Event()

    async def run() -> tuple[list[object], Reply]:
        pool = Pool(tmp_path / "s", 10_000_000, Room(2_500_000))
        async with server(tmp_path / "s", half):
            calls = [asyncio.ensure_future(pool.send(ASK, 30)) for _ in range(3)]
            await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            go.set()
            results = await asyncio.gather(*calls, return_exceptions=True)
            again = await pool.send(ASK, 30)
            pool.close()
        return [type(each) for each in results], again

    kinds, again = asyncio.run(run())
    assert sorted(kind.__name__ for kind in kinds) == ["Crowded", "Reply", "Reply"]  # type: ignore[attr-defined]
    assert again.body == body
