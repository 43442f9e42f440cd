"""Single values as text: in paths, queries, headers, forms and XML."""

import base64
import binascii
import math
from typing import Any

from botocore.model import Shape

from clary.wire import timestamps
from clary.wire.errors import SerializationException
from clary.wire.protocols.json_body import LIMITS, SPELLED
from clary.wire.shapes import timestamp_format
from clary.wire.timestamps import Format


def read(shape: Shape, text: str, form: Format = "iso8601") -> Any:
    """The value of a text. `form` is the place's usual timestamp format. Raises `SerializationException`."""
    kind = shape.type_name
    if kind in ("string", "character"):
        return text
    try:
        return _read(shape, kind, text.strip(), form)
    except (ValueError, OverflowError, binascii.Error) as error:
        raise SerializationException(f"'{text[:64]}' is not a valid {kind}") from error


def write(shape: Shape, value: Any, form: Format = "iso8601") -> str:
    kind = shape.type_name
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "timestamp":
        return str(timestamps.write(value, timestamp_format(shape, form)))
    if kind == "blob":
        return base64.b64encode(value.encode() if isinstance(value, str) else bytes(value)).decode()
    if kind in ("float", "double") and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return str(value)


def _read(shape: Shape, kind: str, text: str, form: Format) -> Any:
    if kind == "boolean":
        return _boolean(text)
    if kind == "timestamp":
        return timestamps.read(text, timestamp_format(shape, form))
    if kind == "blob":
        return base64.b64decode(text, validate=True)
    if kind in ("float", "double"):
        return SPELLED[text] if text in SPELLED else _finite(text)
    return _whole(kind, text)


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("not a boolean")
    return text.lower() == "true"


def _finite(text: str) -> float:
    if len(text) > 400 or not set(text.lower()) <= set("0123456789+-.e"):
        raise ValueError("not a number")
    return float(text)


def _whole(kind: str, text: str) -> int:
    if len(text) > 24 or "_" in text:
        raise ValueError("not a whole number")
    number, limit = int(text), LIMITS.get(kind, 2**63)
    if not -limit <= number < limit:
        raise ValueError("out of range")
    return number
