"""A request's body, decoded and checked in one pass: the fast path of the JSON services, and the check of all others.

Shapes become msgspec types at first use. What a type cannot say (unions, renamed members, text timestamps, recursion)
and whatever the fast pass refuses goes the slow way, `json_body.read` and then `constraints`, which is the truth and
has AWS's words for it.
"""

from typing import Annotated, Any, Literal, NotRequired, Required, TypedDict

import msgspec
from botocore.model import Shape

from clary.wire import constraints, timestamps
from clary.wire.errors import AwsError
from clary.wire.patterns import anchored
from clary.wire.protocols import json_body
from clary.wire.shapes import is_document, is_union, timestamp_format, wire_name


class Unsuited(Exception):
    """The shape needs the slow path."""


def check(shape: Shape | None, request: dict[str, Any], code: str = "ValidationException") -> None:
    """Raise the service's `code` with AWS's text when `request` breaks a constraint of its shape."""
    if shape is not None and constraints.plainly_holds(shape, request):
        return
    broken = constraints.violations(shape, request)
    if broken:
        raise AwsError(constraints.describe(broken), code=code, status=400)


def decode(shape: Shape | None, body: bytes, code: str = "ValidationException") -> dict[str, Any]:
    """The checked request of a JSON body; an empty body is an empty request.

    Raises `SerializationException` for what cannot be read, `code` for what may not be asked.
    """
    if shape is None:
        return {}
    fast = _decoder(shape)
    if fast is not None:
        try:
            return _decode_fast(fast, body or b"{}")
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError):
            pass
    request: dict[str, Any] = json_body.read(shape, json_body.decode(body or b"{}"))
    check(shape, request, code)
    return request


def _decode_fast(fast: "msgspec.json.Decoder[Any]", body: bytes) -> dict[str, Any]:
    request: dict[str, Any] = fast.decode(body)
    return _without_nulls(request) if b"null" in body else request


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def _decoder(shape: Shape) -> "msgspec.json.Decoder[Any] | None":
    """Kept on the shape itself: botocore makes one object per operation, and the two live equally long."""
    if "_clary_decoder" not in shape.__dict__:
        shape.__dict__["_clary_decoder"] = _make_decoder(shape)
    made: msgspec.json.Decoder[Any] | None = shape.__dict__["_clary_decoder"]
    return made


def _make_decoder(shape: Shape) -> "msgspec.json.Decoder[Any] | None":
    try:
        return msgspec.json.Decoder(_type(shape, ()))
    except Unsuited:
        return None


def _type(shape: Any, above: tuple[str, ...]) -> Any:
    if shape.name in above or is_union(shape) or is_document(shape):
        raise Unsuited(shape.name)
    make = _TYPES.get(shape.type_name)
    if make is None:
        raise Unsuited(shape.type_name)
    return make(shape, (*above, shape.name))


def _structure(shape: Any, above: tuple[str, ...]) -> Any:
    members = {}
    for name, member in shape.members.items():
        if wire_name(member, name) != name:
            raise Unsuited(name)
        kind = _type(member, above)
        members[name] = Required[kind] if name in shape.required_members else NotRequired[kind | None]
    return TypedDict(shape.name, members)  # type: ignore[operator]


def _list(shape: Any, above: tuple[str, ...]) -> Any:
    return _sized(shape, list[_type(shape.member, above)])  # type: ignore[misc]


def _map(shape: Any, above: tuple[str, ...]) -> Any:
    return _sized(shape, dict[_type(shape.key, above), _type(shape.value, above)])  # type: ignore[misc]


def _string(shape: Any, above: tuple[str, ...]) -> Any:
    if shape.enum:
        return Literal[tuple(shape.enum)]
    pattern = shape.metadata.get("pattern")
    return _sized(shape, str, pattern=anchored(pattern) if pattern else None)


def _blob(shape: Any, above: tuple[str, ...]) -> Any:
    return _sized(shape, bytes)


def _sized(shape: Any, kind: Any, pattern: str | None = None) -> Any:
    low, high = shape.metadata.get("min") or None, shape.metadata.get("max")
    return Annotated[kind, msgspec.Meta(min_length=low, max_length=high, pattern=pattern)]


def _whole(shape: Any, above: tuple[str, ...]) -> Any:
    limit = json_body.LIMITS[shape.type_name]
    low, high = shape.metadata.get("min", -limit), shape.metadata.get("max", limit - 1)
    return Annotated[int, msgspec.Meta(ge=int(max(low, -limit)), le=int(min(high, limit - 1)))]


def _real(shape: Any, above: tuple[str, ...]) -> Any:
    return Annotated[float, msgspec.Meta(ge=shape.metadata.get("min"), le=shape.metadata.get("max"))]


def _timestamp(shape: Any, above: tuple[str, ...]) -> Any:
    if timestamp_format(shape, "unixTimestamp") != "unixTimestamp":
        raise Unsuited("text timestamp")
    return Annotated[float, msgspec.Meta(ge=timestamps.FIRST, le=timestamps.LAST)]


def _boolean(shape: Any, above: tuple[str, ...]) -> Any:
    return bool


_TYPES = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "string": _string,
    "character": _string,
    "blob": _blob,
    "boolean": _boolean,
    "integer": _whole,
    "long": _whole,
    "float": _real,
    "double": _real,
    "timestamp": _timestamp,
}
