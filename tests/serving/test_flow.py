"""Answers taken piece by piece, from servers that behave and servers that do not."""

import asyncio
from pathlib import Path

import pytest
from tests.serving.sockets import Answer, never, ok, says, server

from clary.serving.flow import MOST_WAITING
from clary.serving.http import Pool, request_bytes
from clary.serving.pieces import frame
from clary.serving.reply import Broken, HttpError, TimedOut, TooLarge, Unreachable, Unusable

ASK = request_bytes("POST", "/invocations", [], b"1")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
FRAMED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nx-clary-stream: framed\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def ask(socket: Path, answer: Answer, timeout: float = 60) -> tuple[list[bytes], HttpError | None]:
    """The pieces, and the error that came after them."""
    pool, found = Pool(socket, 1000), list[bytes]()
    try:
        async with server(socket, answer):
            flow = await pool.open(ASK, timeout)
            assert flow.head.status == 200
            async for piece in flow.pieces():
                found.append(piece)
    except HttpError as error:
        return found, error
    finally:
        assert pool.outstanding == 0
    return found, None


@pytest.mark.parametrize(
    ("pieces", "wanted"),
    [
        ((CHUNKED, chunk(b"one"), chunk(b"two") + chunk(b"3"), b"0\r\n\r\n"), [b"one", b"two", b"3"]),
        ((CHUNKED, b"3\r", b"\non", b"e\r", b"\n0\r\n\r\n"), [b"one"]),
        (
            (FRAMED, chunk(frame(b"a") + frame(b"bc")), chunk(frame(b"d")[:3]), chunk(b"\1d" + frame(b""))),
            [b"a", b"bc", b"d"],
        ),
        ((FRAMED, chunk(frame(b"a")), chunk(frame(b"bc") + frame(b"")), b"0\r\n\r\n"), [b"a", b"bc"]),
        ((ok(b"whole"),), [b"whole"]),
        ((b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",), []),
    ],
)
def test_pieces_are_those_that_were_sent(tmp_path: Path, pieces: tuple[bytes, ...], wanted: list[bytes]) -> None:
    assert asyncio.run(ask(tmp_path / "s", says(*pieces))) == (wanted, None)


def test_answer_without_length_ends_with_the_connection(tmp_path: Path) -> None:
    answer = says(b"HTTP/1.0 200 OK\r\n\r\n", b"some", close=True)
    assert asyncio.run(ask(tmp_path / "s", answer)) == ([b"some"], None)


@pytest.mark.parametrize(
    ("pieces", "before", "error"),
    [
        ((CHUNKED, chunk(b"one")), [b"one"], Broken),
        ((FRAMED, chunk(frame(b"a")), b"0\r\n\r\n"), [b"a"], Broken),
        ((b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", b"some"), [b"some"], Broken),
        ((CHUNKED, b"fffffffff\r\n"), [], TooLarge),
        ((FRAMED, chunk(b"\xff\xff\xff\xff")), [], TooLarge),
        ((CHUNKED, b"zz\r\n"), [], Unusable),
        ((CHUNKED, b"1" * 70_000), [], Unusable),
        ((b"rubbish\r\n\r\n",), [], Unusable),
        ((), [], Broken),
    ],
)
def test_answer_that_breaks_off_is_an_error_after_its_pieces(
    tmp_path: Path, pieces: tuple[bytes, ...], before: list[bytes], error: type[HttpError]
) -> None:
    found, raised = asyncio.run(ask(tmp_path / "s", says(*pieces, close=True)))
    assert (found, type(raised)) == (before, error)


def test_silence_times_out_and_nobody_is_unreachable(tmp_path: Path) -> None:
    assert type(asyncio.run(ask(tmp_path / "s", never, timeout=0.05))[1]) is TimedOut

    async def run() -> None:
        await Pool(tmp_path / "nobody", 10).open(ASK, 60)

    with pytest.raises(Unreachable):
        asyncio.run(run())


def test_slow_reader_holds_the_model_back(tmp_path: Path) -> None:
    sent: list[int] = []

    async def endless(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED)
        while True:
            sent.append(1)
            writer.write(chunk(b"x" * 65536))
            await writer.drain()

    async def run() -> None:
        pool = Pool(tmp_path / "s", 10)
        async with server(tmp_path / "s", endless):
            flow = await pool.open(ASK, 60)
            assert pool.outstanding == 1
            pieces = flow.pieces()
            await anext(pieces)
            before = -1
            while before != len(sent):
                before = len(sent)
                await asyncio.sleep(0.1)
            assert before * 65536 < 4 * MOST_WAITING
            for _ in range(100):
                await anext(pieces)
            assert len(sent) > before
            flow.close()
        assert pool.outstanding == 0

    asyncio.run(run())
