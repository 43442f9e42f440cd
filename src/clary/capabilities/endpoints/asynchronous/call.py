"""One request at one instance: its bodies are files, its containers are called in a row."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from clary.capabilities.endpoints.asynchronous.spool import MOST_BYTES, Spool
from clary.capabilities.endpoints.asynchronous.ticket import Request
from clary.serving.exchange import Answered, exchange
from clary.serving.reply import Broken, Unreachable


async def call(sockets: Sequence[Path], request: Request, source: Path, spool: Spool) -> tuple[Answered, Path]:
    """What the last container that was asked said, and the file of its answer.

    Raises `Unreachable` only where no container has seen the request, else another `HttpError`.
    """
    headers = dict(request.ticket.headers)
    for place, server in enumerate(sockets):
        target = spool.part(request.id, f"out{place}")
        last = place + 1 == len(sockets)
        try:
            answered = await exchange(
                server, _told(headers, last).items(), source, target, request.ticket.timeout, MOST_BYTES
            )
        except Unreachable as error:
            if place:
                raise Broken(str(error)) from error
            raise
        if last or not 200 <= answered.status < 300:
            return answered, target
        source = target
        headers["content-type"] = answered.headers.get("content-type", "application/octet-stream")
    raise Unreachable("the instance has no container")


def _told(headers: Mapping[str, str], last: bool) -> dict[str, str]:
    """The type of the answer is for the last container to choose."""
    return {name: value for name, value in headers.items() if last or name != "accept"}
