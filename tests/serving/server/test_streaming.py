"""A worker that sends an answer as the model makes it: pieces as they come, and no end to one that breaks off."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from tests.servers import wait_until
from tests.serving.server.fronts import serving

from clary.serving.flow import Flow
from clary.serving.http import request_bytes
from clary.serving.pieces import FRAMED
from clary.serving.reply import Broken
from clary.serving.server.app import App
from clary.serving.server.invocation import Answer, Invocation

STEP = threading.Event()
CLOSED = threading.Event()


def pieces(words: list[bytes]) -> Iterator[bytes]:
    try:
        for word in words:
            if word == b"wrong":
                raise ValueError("the model failed")
            if word == b"wait":
                STEP.wait(60)
            while word == b"endless":
                yield b"x" * 65536
            yield word
    finally:
        CLOSED.set()


def model(call: Invocation) -> Answer:
    return Answer(200, "text/plain", b"", pieces=pieces(call.body.split()))


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(App(model)) as address:
        yield address[1]


async def opened(port: int, body: bytes, *, streamed: bool = True) -> Flow:
    _, flow = await asyncio.get_running_loop().create_connection(lambda: Flow(lambda: None), "127.0.0.1", port)
    await flow.ask(request_bytes("POST", "/invocations", [FRAMED] if streamed else [], body))
    return flow


def test_pieces_come_as_they_are_made(port: int) -> None:
    STEP.clear()

    async def run() -> list[bytes]:
        found = (await opened(port, b"one two wait three")).pieces()
        first = [await anext(found), await anext(found)]
        STEP.set()
        return [*first, *[piece async for piece in found]]

    assert asyncio.run(run()) == [b"one", b"two", b"wait", b"three"]


def test_answer_that_breaks_off_has_no_end(port: int, capfd: pytest.CaptureFixture[str]) -> None:
    async def run() -> None:
        found = (await opened(port, b"one wrong")).pieces()
        assert await anext(found) == b"one"
        with pytest.raises(Broken):
            await anext(found)

    asyncio.run(run())
    assert "the model failed" in capfd.readouterr().err


def test_failure_before_the_first_piece_is_an_error(port: int) -> None:
    flow = asyncio.run(_head(port, b"wrong"))
    assert flow.head.status == 500


def test_answer_without_pieces_is_empty(port: int) -> None:
    flow = asyncio.run(_head(port, b""))
    assert (flow.head.status, flow.head.headers["content-length"]) == (200, "0")


def test_caller_that_wants_it_whole_gets_it_whole(port: int) -> None:
    async def run() -> bytes:
        return await (await opened(port, b"one two", streamed=False)).whole(100)

    assert asyncio.run(run()) == b"onetwo"


def test_model_stops_when_the_caller_is_gone_and_serves_the_next(port: int) -> None:
    CLOSED.clear()

    async def run() -> None:
        flow = await opened(port, b"endless")
        await anext(flow.pieces())
        flow.close()
        await asyncio.sleep(0)

    asyncio.run(run())
    wait_until(CLOSED.is_set)
    test_caller_that_wants_it_whole_gets_it_whole(port)


async def _head(port: int, body: bytes) -> Flow:
    flow = await opened(port, body)
    flow.close()
    await asyncio.sleep(0)
    return flow
