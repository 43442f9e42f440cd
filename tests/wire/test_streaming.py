"""Streams of events through a real server: in order, with the errors of the model, and no faster than they are read."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EventStreamError
from tests.harness import CLIENT, serve
from tests.servers import wait_until

from clary.wire.context import Context
from clary.wire.errors import AwsError
from clary.wire.operations import Registry, operation

Request = dict[str, Any]
PIECE = b"x" * 65536
SENT: list[int] = []
CLOSED = threading.Event()


async def parts(body: bytes) -> AsyncIterator[Request]:
    for word in body.split():
        yield {"PayloadPart": {"Bytes": word}}
        if word == b"broken":
            raise AwsError("the model went away", code="ModelStreamError", ErrorCode="StreamBroken")
        if word == b"wrong":
            raise ZeroDivisionError("secret detail")
        if word == b"silence":
            try:
                await asyncio.Event().wait()
            finally:
                CLOSED.set()


async def endless() -> AsyncIterator[Request]:
    try:
        while True:
            SENT.append(1)
            yield {"PayloadPart": {"Bytes": PIECE}}
    finally:
        CLOSED.set()


@operation("InvokeEndpointWithResponseStream", "sagemaker-runtime")
async def invoke(ctx: Context, request: Request) -> Request:
    events = endless() if request["Body"] == b"endless" else parts(request["Body"])
    return {"Body": events, "ContentType": "text/plain", "InvokedProductionVariant": "v"}


@pytest.fixture(scope="module")
def runtime() -> Iterator[Any]:
    with serve(Registry([invoke])) as url:
        yield boto3.client("sagemaker-runtime", endpoint_url=url, **CLIENT)


def ask(runtime: Any, body: bytes) -> Any:
    CLOSED.clear()
    return runtime.invoke_endpoint_with_response_stream(EndpointName="e", Body=body)


def test_events_arrive_one_by_one(runtime: Any) -> None:
    answer = ask(runtime, b"one two three")
    assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("text/plain", "v")
    events = list(answer["Body"])
    assert events == [{"PayloadPart": {"Bytes": word}} for word in (b"one", b"two", b"three")]
    assert list(ask(runtime, b"")["Body"]) == []


@pytest.mark.parametrize(
    ("word", "code", "message"),
    [
        (b"broken", "ModelStreamError", "the model went away"),
        (b"wrong", "InternalStreamFailure", "An internal error has occurred."),
    ],
)
def test_stream_that_fails_ends_with_its_error(runtime: Any, word: bytes, code: str, message: str) -> None:
    body = ask(runtime, b"one " + word)["Body"]
    stream = iter(body)
    assert [next(stream), next(stream)] == [{"PayloadPart": {"Bytes": each}} for each in (b"one", word)]
    with pytest.raises(EventStreamError) as caught:
        next(stream)
    assert (caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]) == (code, message)
    body.close()


@pytest.mark.parametrize("body", [b"silence", b"endless"])
def test_client_that_goes_away_ends_the_stream(runtime: Any, body: bytes) -> None:
    stream = ask(runtime, body)["Body"]
    assert len(next(iter(stream))["PayloadPart"]["Bytes"]) > 5
    stream.close()
    wait_until(CLOSED.is_set)


def test_stream_waits_for_a_client_that_reads_slowly(runtime: Any) -> None:
    SENT.clear()
    stream = ask(runtime, b"endless")["Body"]
    events = iter(stream)
    next(events)
    last = [-1] * 20

    def stands_still() -> bool:
        last[:] = [*last[1:], len(SENT)]
        return last[0] == last[-1]

    wait_until(stands_still)
    assert len(SENT) * len(PIECE) < 64 * 1024 * 1024
    before = len(SENT)
    for _ in range(500):
        next(events)
    assert len(SENT) > before
    stream.close()
    wait_until(CLOSED.is_set)


def test_error_before_the_first_event_is_an_ordinary_one(runtime: Any) -> None:
    with pytest.raises(ClientError, match="Member must have length less than or equal to 6291456"):
        ask(runtime, b"x" * 6_291_457)
