"""Answers that are streams of events, in AWS's binary framing (`application/vnd.amazon.eventstream`).

A handler gives an async iterator of events, `{"PayloadPart": {"Bytes": b"..."}}`, for the output's event-stream member.
An `AwsError` that it raises becomes the stream's last event. The codecs that have event streams call `answer`.
"""

import binascii
import struct
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

from clary.wire.errors import AwsError
from clary.wire.faults import members
from clary.wire.messages import Reply

TYPE = "application/vnd.amazon.eventstream"
LONGEST_HEADER = 32767
"""Bytes of one header's value; the framing counts them in a signed 16-bit number."""

Encode = Callable[[Any, Any], bytes]
"""A structure's shape and value as the body that its protocol would send."""
Event = dict[str, dict[str, Any]]


def member_of(shape: Any) -> str | None:
    """The name of an output's event-stream member, if it has one. Looked for once per shape object."""
    if shape is None:
        return None
    if "_clary_events" not in shape.__dict__:
        named = (name for name, member in shape.members.items() if member.serialization.get("eventstream"))
        shape.__dict__["_clary_events"] = next(named, None)
    found: str | None = shape.__dict__["_clary_events"]
    return found


def message(headers: list[tuple[str, bytes]], payload: bytes = b"") -> bytes:
    """One frame; header values carry their type byte (`header`)."""
    told = b"".join(_name(name) + value for name, value in headers)
    start = struct.pack("!II", 16 + len(told) + len(payload), len(told))
    frame = b"".join((start, struct.pack("!I", binascii.crc32(start)), told, payload))
    return frame + struct.pack("!I", binascii.crc32(frame))


def text(value: str) -> bytes:
    raw = value.encode()[:LONGEST_HEADER]
    return struct.pack("!BH", 7, len(raw)) + raw


def header(shape: Any, value: Any) -> bytes:
    """A typed header value, as the member's shape says."""
    match shape.type_name:
        case "boolean":
            return b"\0" if value else b"\1"
        case "byte":
            return struct.pack("!Bb", 2, value)
        case "short":
            return struct.pack("!Bh", 3, value)
        case "integer":
            return struct.pack("!Bi", 4, value)
        case "long":
            return struct.pack("!Bq", 5, value)
        case "blob":
            raw = value.encode() if isinstance(value, str) else bytes(value)
            return struct.pack("!BH", 6, len(raw)) + raw
        case "timestamp":
            return struct.pack("!Bq", 8, round(float(value) * 1000))
        case _ if isinstance(value, uuid.UUID):
            return b"\x09" + value.bytes
        case _:
            return text(str(value))


def event(stream: Any, name: str, value: dict[str, Any], encode: Encode, content_type: str) -> bytes:
    """One event of a stream's shape."""
    shape = stream.members[name]
    headers = [(":message-type", text("event")), (":event-type", text(name))]
    rest: dict[str, Any] = {}
    payload, kind = None, content_type
    for key, member in shape.members.items():
        given = value.get(key)
        if given is None:
            continue
        if member.serialization.get("eventheader"):
            headers.append((key, header(member, given)))
        elif member.serialization.get("eventpayload"):
            payload, kind = _payload(member, given, encode, content_type)
        else:
            rest[key] = given
    if payload is None:
        payload = encode(shape, rest)
    return message([*headers, (":content-type", text(kind))], payload)


def failure(stream: Any, error: AwsError, encode: Encode, content_type: str) -> bytes:
    """The last event of a stream that failed: one of its own exceptions, else an error without a shape."""
    shape = stream.members.get(error.code)
    if shape is None:
        told = [(":message-type", "error"), (":error-code", error.code), (":error-message", error.message)]
        return message([(name, text(value)) for name, value in told])
    told = [(":message-type", "exception"), (":exception-type", error.code), (":content-type", content_type)]
    return message([(name, text(value)) for name, value in told], encode(shape, members(error, shape)))


def unknown(stream: Any) -> AwsError:
    """What a stream ends with when something of ours failed: its one exception that is the server's fault."""
    faults = [name for name, shape in stream.members.items() if shape._shape_model.get("fault")]
    return AwsError("An internal error has occurred.", code=faults[0] if len(faults) == 1 else None)


def initial(shape: Any, value: dict[str, Any], encode: Encode, content_type: str) -> bytes:
    """What an RPC protocol sends first: the output's other members."""
    told = [(":message-type", "event"), (":event-type", "initial-response"), (":content-type", content_type)]
    return message([(name, text(value)) for name, value in told], encode(shape, value))


def answer(reply: Reply, stream: Any, events: AsyncIterator[Event], encode: Encode, content_type: str) -> Reply:
    """`reply` with these events as its body, after what it holds already."""
    headers = [(name, value) for name, value in reply.headers if name != "content-type"]
    pieces = _Pieces(reply.body, stream, events, encode, content_type)
    refusal = failure(stream, unknown(stream), encode, content_type)
    return Reply(reply.status, [*headers, ("content-type", TYPE)], b"", pieces, refusal)


class _Pieces:
    """The frames of a stream. `aclose` closes the events also where not one was taken."""

    def __init__(
        self, first: bytes, stream: Any, events: AsyncIterator[Event], encode: Encode, content_type: str
    ) -> None:
        self._first = first
        self._stream = stream
        self._events = events
        self._encode = encode
        self._content_type = content_type
        self._over = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._first:
            first, self._first = self._first, b""
            return first
        if self._over:
            raise StopAsyncIteration
        try:
            ((name, value),) = (await anext(self._events)).items()
        except AwsError as error:
            self._over = True
            return failure(self._stream, error, self._encode, self._content_type)
        return event(self._stream, name, value, self._encode, self._content_type)

    async def aclose(self) -> None:
        if close := getattr(self._events, "aclose", None):
            await close()


def _payload(member: Any, given: Any, encode: Encode, content_type: str) -> tuple[bytes, str]:
    if member.type_name == "blob":
        return (given.encode() if isinstance(given, str) else bytes(given)), "application/octet-stream"
    if member.type_name == "string":
        return given.encode(), "text/plain"
    return encode(member, given), content_type


def _name(name: str) -> bytes:
    return struct.pack("!B", len(name)) + name.encode()
