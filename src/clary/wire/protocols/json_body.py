"""JSON values by shape, both ways: the body of `json` and `rest-json`. A table of one function per shape type.

CBOR's requests are read here too; they hold the same values, and bytes.

Reading makes the request dictionary (timestamps floats, blobs bytes, nulls and unknown members absent) and raises
`SerializationException` on a wrong JSON type. It checks no constraint; `constraints.py` does.
"""

import base64
import binascii
import math
from collections.abc import Callable
from typing import Any

import msgspec
from botocore.model import Shape

from clary.wire import timestamps
from clary.wire.errors import SerializationException
from clary.wire.shapes import is_answered_in_head, is_document, timestamp_format, wire_name

TOKENS = {str: "STRING_VALUE", bool: "BOOLEAN_VALUE", int: "NUMBER_VALUE", float: "NUMBER_VALUE", list: "START_ARRAY"}
SPELLED = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
LIMITS = {"integer": 2**31, "long": 2**63, "short": 2**15, "byte": 2**7}


Reader = Callable[[Any, Any], Any]


def decode(body: bytes) -> Any:
    """Any JSON value. Raises `SerializationException` for what is no JSON, or too deep to be read."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise SerializationException("Unable to parse the request body as JSON.") from error
    except RecursionError as error:
        raise SerializationException("The request body is nested too deeply.") from error


def read(shape: Shape, value: Any) -> Any:
    reader: Reader = _READERS.get(shape.type_name, _read_number)
    return reader(shape, value)


def write(shape: Shape, value: Any) -> Any:
    """A value that msgspec encodes as AWS would; members that the shape lacks, and `None`, are left out."""
    return _WRITERS.get(shape.type_name, _write_plain)(shape, value)


def encode(shape: Shape | None, value: dict[str, Any]) -> bytes:
    """A whole body. Shapes whose values JSON already writes as AWS would are encoded as they are.

    A `null` in that text is a `None` or a NaN that must not be there, so the careful way is taken after all.
    """
    if shape is None:
        return b"{}"
    if _is_plain(shape):
        body = msgspec.json.encode(value)
        if b"null" not in body:
            return body
    return msgspec.json.encode(write(shape, value))


def _is_plain(shape: Shape) -> bool:
    if "_clary_plain" not in shape.__dict__:
        shape.__dict__["_clary_plain"] = _find_plain(shape, ())
    return bool(shape.__dict__["_clary_plain"])


def _find_plain(shape: Any, above: tuple[str, ...]) -> bool:
    """Whether no member is renamed, nullable or a timestamp in text."""
    if shape.name in above:
        return True
    above = (*above, shape.name)
    if is_document(shape):
        return False
    if shape.type_name == "structure":
        return all(wire_name(m, name) == name and _find_plain(m, above) for name, m in shape.members.items())
    if shape.type_name == "list":
        return _find_plain(shape.member, above)
    if shape.type_name == "map":
        return _find_plain(shape.value, above)
    return shape.type_name != "timestamp" or timestamp_format(shape, "unixTimestamp") == "unixTimestamp"


def _mismatch(value: Any, wanted: str) -> SerializationException:
    return SerializationException(f"{TOKENS.get(type(value), 'START_OBJECT')} can not be converted to {wanted}")


def _read_structure(shape: Any, value: Any) -> Any:
    if is_document(shape):
        return value
    if not isinstance(value, dict):
        raise _mismatch(value, "a Structure")
    found = {}
    for name, member in shape.members.items():
        if "location" in member.serialization:
            continue
        given = value.get(wire_name(member, name))
        if given is not None:
            found[name] = read(member, given)
    return found


def _read_list(shape: Any, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _mismatch(value, "a List")
    return [read(shape.member, item) for item in value if item is not None]


def _read_map(shape: Any, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _mismatch(value, "a Map")
    return {key: read(shape.value, item) for key, item in value.items() if item is not None}


def _read_string(shape: Shape, value: Any) -> Any:
    if not isinstance(value, str):
        raise _mismatch(value, "a String")
    return value


def _read_blob(shape: Shape, value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise _mismatch(value, "a Blob")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SerializationException("A Blob is not valid base64.") from error


def _read_boolean(shape: Shape, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _mismatch(value, "a Boolean")
    return value


def _read_timestamp(shape: Shape, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _mismatch(value, "a Timestamp")
    try:
        return timestamps.read(value, timestamp_format(shape, "unixTimestamp"))
    except ValueError as error:
        raise SerializationException("A Timestamp is malformed or out of range.") from error


def _read_number(shape: Shape, value: Any) -> int | float:
    if shape.type_name in ("float", "double"):
        return _read_float(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _mismatch(value, "an Integer" if shape.type_name == "integer" else "a Long")
    limit = LIMITS.get(shape.type_name)
    if limit and not -limit <= value < limit:
        raise SerializationException(f"NUMBER_VALUE is out of range of {shape.type_name}")
    return value


def _read_float(value: Any) -> float:
    if isinstance(value, str) and value in SPELLED:
        return SPELLED[value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _mismatch(value, "a Double")
    try:
        return float(value)
    except OverflowError as error:
        raise SerializationException("NUMBER_VALUE is out of range of a Double") from error


def _write_structure(shape: Any, value: Any) -> Any:
    if is_document(shape):
        return value
    return {
        wire_name(member, name): write(member, value[name])
        for name, member in shape.members.items()
        if value.get(name) is not None and not is_answered_in_head(member)
    }


def _write_list(shape: Any, value: Any) -> list[Any]:
    return [None if item is None else write(shape.member, item) for item in value]


def _write_map(shape: Any, value: Any) -> dict[str, Any]:
    return {key: None if item is None else write(shape.value, item) for key, item in value.items()}


def _write_blob(shape: Shape, value: Any) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else bytes(value)).decode()


def _write_timestamp(shape: Shape, value: float) -> str | int | float:
    return timestamps.write(value, timestamp_format(shape, "unixTimestamp"))


def _write_float(shape: Shape, value: float) -> Any:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _write_plain(shape: Shape, value: Any) -> Any:
    return value


_READERS: dict[str, Callable[[Any, Any], Any]] = {
    "structure": _read_structure,
    "list": _read_list,
    "map": _read_map,
    "string": _read_string,
    "character": _read_string,
    "blob": _read_blob,
    "boolean": _read_boolean,
    "timestamp": _read_timestamp,
}
_WRITERS: dict[str, Callable[[Any, Any], Any]] = {
    "structure": _write_structure,
    "list": _write_list,
    "map": _write_map,
    "blob": _write_blob,
    "timestamp": _write_timestamp,
    "float": _write_float,
    "double": _write_float,
}
