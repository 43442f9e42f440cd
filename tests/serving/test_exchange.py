"""Requests whose bodies are files: what a server may answer, and what it may not."""

import asyncio
from pathlib import Path

import pytest
from tests.serving.sockets import never, ok, says, server

from clary.serving.exchange import Answered, exchange
from clary.serving.reply import Broken, TimedOut, TooLarge, Unreachable

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
UNTIL_THE_END = b"HTTP/1.0 500 no\r\ncontent-type: text/plain\r\n\r\nboom"


def ask(folder: Path, answer: bytes, *, close: bool = False, timeout: float = 20.0, most: int = 100) -> Answered:
    (folder / "in").write_bytes(b"1,2\n" * 50_000)

    async def run() -> Answered:
        handler = says(answer, close=close) if answer else never
        async with server(folder / "model.sock", handler):
            return await exchange(
                folder / "model.sock", [("content-type", "text/csv")], folder / "in", folder / "out", timeout, most
            )

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [(ok(b"abc"), 200, b"abc"), (CHUNKED, 200, b"abcde"), (UNTIL_THE_END, 500, b"boom"), (ok(b""), 200, b"")],
)
def test_answers_of_each_framing(tmp_path: Path, answer: bytes, status: int, body: bytes) -> None:
    found = ask(tmp_path, answer, close=answer is UNTIL_THE_END)
    assert (found.status, found.size, (tmp_path / "out").read_bytes()) == (status, len(body), body)


@pytest.mark.parametrize(
    "answer",
    [
        b"HT",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
    ],
)
def test_what_is_no_answer(tmp_path: Path, answer: bytes) -> None:
    with pytest.raises(Broken):
        ask(tmp_path, answer, close=True)


def test_too_long_an_answer(tmp_path: Path) -> None:
    with pytest.raises(TooLarge):
        ask(tmp_path, ok(b"x" * 101))


def test_a_server_that_never_answers(tmp_path: Path) -> None:
    with pytest.raises(TimedOut):
        ask(tmp_path, b"", timeout=0.3)


def test_no_server(tmp_path: Path) -> None:
    (tmp_path / "in").touch()
    with pytest.raises(Unreachable):
        asyncio.run(exchange(tmp_path / "none", [], tmp_path / "in", tmp_path / "out", 1.0, 100))


def test_a_header_may_not_end_its_line(tmp_path: Path) -> None:
    (tmp_path / "in").touch()
    with pytest.raises(ValueError, match="line ends"):
        asyncio.run(exchange(tmp_path / "none", [("a", "b\r\nc: d")], tmp_path / "in", tmp_path / "out", 1.0, 100))
