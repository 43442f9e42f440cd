"""InvokeEndpointWithResponseStream: what a model sends is passed on as it comes, as events. Runs on the event loop."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from clary.capabilities.endpoints.answers import answered, broken_off, invalid, model_error
from clary.capabilities.endpoints.invoke import Guarded, Invocations, Taken
from clary.serving.flow import Flow
from clary.serving.gateway import MAX_ANSWER_BYTES
from clary.serving.reply import HttpError, Reply, TimedOut
from clary.serving.serial import Forwarded
from clary.wire.context import Context
from clary.wire.errors import AwsError
from clary.wire.operations import operation

Request = dict[str, Any]

STREAM_SECONDS = 480.0
"""From the call to the last piece."""
CAPTURED_BYTES = 6_291_456
"""A longer answer is not captured."""


@operation("InvokeEndpointWithResponseStream", "sagemaker-runtime")
async def invoke_with_response_stream(ctx: Context, request: Request) -> Request:
    """An error of the model before its first piece is a ModelError; a later one ends the stream."""
    invocations = ctx.need(Invocations)
    taken = invocations.take(ctx, request)
    if taken.route.on_demand:
        raise invalid("A serverless endpoint cannot stream its responses.")
    try:
        flow = await _open(ctx, invocations, taken)
    except AwsError:
        if taken.route.shadows:
            invocations.aside.copy(taken.route, taken.asked)
        raise
    return answered(taken.variant.name, flow.head.headers, Parts(invocations, taken, flow))


async def _open(ctx: Context, invocations: Invocations, taken: Taken) -> Flow:
    """Raises ModelError for an answer that is no success, and what no answer at all raises."""
    try:
        with Guarded(taken.variant):
            found = await _send(invocations, taken)
        if isinstance(found, Flow) and 200 <= found.head.status < 300:
            return found
        with Guarded(taken.variant):
            place, reply = await _whole(taken, found)
    except AwsError as error:
        invocations.meter.lost(taken.call, taken.instances, error)
        raise
    seconds = time.perf_counter() - taken.start
    invocations.meter.answered(taken.call, taken.instances, reply.status, seconds, 0.0)
    raise model_error(ctx, taken.asked.endpoint, taken.variant.containers[place], reply)


async def _send(invocations: Invocations, taken: Taken) -> Flow | Forwarded:
    asked = taken.asked
    return await invocations.gateway.open(
        taken.variant, asked.headers, asked.body, asked.container, hint=taken.hint, model=taken.model
    )


async def _whole(taken: Taken, found: Flow | Forwarded) -> tuple[int, Reply]:
    """An answer that is not passed on as it comes, and the place of its container."""
    if isinstance(found, Forwarded):
        return found.container, found.reply
    try:
        body = await found.whole(MAX_ANSWER_BYTES)
    finally:
        found.close()
    place = taken.asked.container
    return len(taken.variant.containers) - 1 if place is None else place, Reply(
        found.head.status, found.head.headers, body
    )


class Parts:
    """The events of one stream. Whoever has it closes it, whether or not it was begun."""

    def __init__(self, invocations: Invocations, taken: Taken, flow: Flow) -> None:
        self._invocations = invocations
        self._taken = taken
        self._flow = flow
        self._pieces = flow.pieces()
        self._captured: list[bytes] | None = [] if invocations.aside.captures(taken.route) else None
        self._size = 0
        self._closed = False

    def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        return self

    async def __anext__(self) -> dict[str, Any]:
        try:
            async with asyncio.timeout(STREAM_SECONDS - (time.perf_counter() - self._taken.start)):
                piece = await anext(self._pieces)
        except StopAsyncIteration:
            self._over(whole=True)
            raise
        except TimeoutError:
            raise self._failed(TimedOut("the stream took too long")) from None
        except HttpError as error:
            raise self._failed(error) from error
        self._keep(piece)
        return {"PayloadPart": {"Bytes": piece}}

    async def aclose(self) -> None:
        """The client is gone, or has all."""
        self._over(whole=False)

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._captured is None:
            return
        self._captured.append(piece)
        if self._size > CAPTURED_BYTES:
            self._captured = None

    def _failed(self, error: HttpError) -> AwsError:
        self._over(whole=False, status=500)
        variant, place = self._taken.variant, self._taken.asked.container
        return broken_off(error, variant.containers[-1 if place is None else place])

    def _over(self, *, whole: bool, status: int = 200) -> None:
        """Counted and closed once."""
        if self._closed:
            return
        self._closed = True
        self._flow.close()
        taken, aside = self._taken, self._invocations.aside
        seconds = time.perf_counter() - taken.start
        self._invocations.meter.answered(taken.call, taken.instances, status, seconds, 0.0)
        if whole and self._captured is not None:
            kind = self._flow.head.headers.get("content-type", "")
            aside.capture(taken.route, taken.asked, taken.variant.name, kind, b"".join(self._captured))
        if taken.route.shadows:
            aside.copy(taken.route, taken.asked)
