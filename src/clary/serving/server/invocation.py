"""One call of a model: what goes in, what comes out, and the ways it is refused."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

TEXT_TYPES = frozenset({"text/csv", "application/json"})
"""Handed to a user's `input_fn` as `str`; all others stay bytes."""
HEADERS = 64
"""Headers whose meaning is remembered: a model's callers mostly send the same few."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """`content_type` and `accept` are as the client sent them, `""` when it sent none."""

    body: bytes
    content_type: str = ""
    accept: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    """All headers of the request, names in lower case."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` are those that a script adds; of them the platform passes on the custom attributes.

    Where there are `pieces`, they are the body, and user code makes them as they are taken.
    """

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: Iterator[bytes] | None = None


Serve = Callable[[Invocation], Answer]
"""A loaded model. Raises `Refused` for what the caller did wrong; anything else is an error of the model."""


class Refused(Exception):
    """The model will not answer this call; `status` is what the client is told."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def text(status: int, message: str) -> Answer:
    return Answer(status, "text/plain; charset=utf-8", message.encode())


def unsupported_content(content_type: str) -> Refused:
    return Refused(415, f"Content type {content_type} is not supported.")


def unsupported_accept(accept: str) -> Refused:
    return Refused(406, f"Accept type {accept} is not supported.")


@lru_cache(HEADERS)
def media_type(value: str) -> str:
    """`text/csv` of `Text/CSV; charset=utf-8`."""
    return value.partition(";")[0].strip().lower()


@lru_cache(HEADERS)
def choose_accept(accept: str, default: str, supported: frozenset[str]) -> str:
    """The first media type of an Accept list that `supported` holds; `default` where the client does not mind.

    Raises `Refused` 406.
    """
    wanted = [media_type(part) for part in accept.split(",") if part.strip()]
    if not wanted or "*/*" in wanted:
        return default
    found = next((each for each in wanted if each in supported), None)
    if found is None:
        raise unsupported_accept(accept)
    return found
