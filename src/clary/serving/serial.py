"""One call through the containers of an instance, in a row: what one answers is what the next is asked.

The gateway uses it for every call; most instances have one container.
"""

import time
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from clary.serving.flow import Flow
from clary.serving.http import Pool, request_bytes
from clary.serving.multimodel import Line, Refused
from clary.serving.reply import Broken, HttpError, Reply, Unreachable


class Forwarded(msgspec.Struct, frozen=True):
    """`reply` is that of the last container that was called: of several, the first whose status is no success."""

    reply: Reply
    seconds: tuple[float, ...]
    """For each container that was called, from sending the request to the whole answer."""
    container: int = 0
    """The place of the last one among the variant's containers."""

    @property
    def model_seconds(self) -> float:
        return sum(self.seconds)


def entry_headers(headers: Mapping[str, str], containers: int) -> Iterable[tuple[str, str]]:
    """Those of the first container's request: the type of the answer is for the last one to choose."""
    if containers == 1:
        return headers.items()
    return ((name, value) for name, value in headers.items() if name != "accept")


async def through(
    lines: Sequence[Pool | Line], wanted: Sequence[int], first: bytes, headers: Mapping[str, str], timeout: float
) -> Forwarded:
    """Ask the containers of these places, in order; `first` is the request to the first of them.

    Raises `Unreachable` only where no container has seen the call, else an `HttpError` with its `container`.
    """
    request = first
    seconds: list[float] = []
    for step, place in enumerate(wanted, 1):
        start = time.perf_counter()
        try:
            reply = await lines[place].send(request, timeout - sum(seconds))
        except HttpError as error:
            error.container = place
            if isinstance(error, Unreachable) and step > 1:
                raise _broken(error) from error
            raise
        seconds.append(time.perf_counter() - start)
        if step == len(wanted) or not 200 <= reply.status < 300:
            break
        request = next_request(reply, headers, last=step + 1 == len(wanted))
    return Forwarded(reply, tuple(seconds), place)


async def streamed_through(
    lines: Sequence[Pool | Line], wanted: Sequence[int], first: bytes, headers: Mapping[str, str], timeout: float
) -> Flow | Forwarded:
    """As `through`, with the last container's answer to be taken piece by piece."""
    place = wanted[-1]
    try:
        return await _streamed_through(lines, wanted, first, headers, timeout)
    except Refused as refused:
        return Forwarded(refused.reply, (0.0,), place)


async def _streamed_through(
    lines: Sequence[Pool | Line], wanted: Sequence[int], first: bytes, headers: Mapping[str, str], timeout: float
) -> Flow | Forwarded:
    place = wanted[-1]
    if len(wanted) == 1:
        return await lines[place].open(first, timeout)
    before = await through(lines, wanted[:-1], first, headers, timeout)
    if not 200 <= before.reply.status < 300:
        return before
    try:
        return await lines[place].open(next_request(before.reply, headers, last=True), timeout - before.model_seconds)
    except HttpError as error:
        error.container = place
        if isinstance(error, Unreachable):
            raise _broken(error) from error
        raise


def next_request(reply: Reply, headers: Mapping[str, str], *, last: bool) -> bytes:
    passed = dict(headers)
    passed.pop("content-type", None)
    if not last:
        passed.pop("accept", None)
    if answered := reply.headers.get("content-type"):
        passed["content-type"] = answered
    return request_bytes("POST", "/invocations", passed.items(), reply.body)


def _broken(error: Unreachable) -> Broken:
    """The containers before have seen the call, so it may not be tried elsewhere."""
    broken = Broken(str(error))
    broken.container = error.container
    return broken
