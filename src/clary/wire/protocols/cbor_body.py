"""CBOR (RFC 8949), the part that AWS's services use, both ways. Bounded: depth, and no length beyond the body."""

import struct
from typing import Any

from clary.wire.errors import SerializationException

DEEPEST = 64
BREAK = object()


class Epoch(float):
    """A timestamp: tag 1 around epoch seconds."""


def decode(body: bytes) -> Any:
    """The one item of `body`. Raises `SerializationException`."""
    try:
        value, end = _item(body, 0, 0)
    except (IndexError, struct.error, UnicodeDecodeError, TypeError, OverflowError) as error:
        raise SerializationException("The request body is not valid CBOR.") from error
    if end != len(body) or value is BREAK:
        raise SerializationException("The request body is not valid CBOR.")
    return value


def encode(value: Any) -> bytes:
    out = bytearray()
    _write(out, value)
    return bytes(out)


def _item(body: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth > DEEPEST:
        raise SerializationException("The request body is nested too deeply.")
    major, low = body[at] >> 5, body[at] & 31
    if major == 7:
        return _simple(body, low, at + 1)
    count, at = _count(body, low, at + 1)
    if major < 2:
        return _not_none(count) if major == 0 else -1 - _not_none(count), at
    if major < 4:
        return _text(body, major, count, at)
    if major == 6:
        value, at = _item(body, at, depth + 1)
        return _tagged(_not_none(count), value), at
    return _many(body, major, count, at, depth + 1)


def _count(body: bytes, low: int, at: int) -> tuple[int | None, int]:
    """A length or number; `None` = open-ended."""
    if low < 24:
        return low, at
    if low == 31:
        return None, at
    if low > 27:
        raise IndexError(low)
    size = 1 << (low - 24)
    if at + size > len(body):
        raise IndexError(at)
    return int.from_bytes(body[at : at + size], "big"), at + size


def _not_none(count: int | None) -> int:
    if count is None:
        raise TypeError("open-ended number")
    return count


def _text(body: bytes, major: int, count: int | None, at: int) -> tuple[Any, int]:
    if count is None:
        parts, at = _chunks(body, major, at)
    else:
        if at + count > len(body):
            raise IndexError(at)
        parts, at = body[at : at + count], at + count
    return (parts if major == 2 else parts.decode()), at


def _chunks(body: bytes, major: int, at: int) -> tuple[bytes, int]:
    parts = []
    while body[at] != 0xFF:
        if body[at] >> 5 != major:
            raise TypeError("mixed chunks")
        count, at = _count(body, body[at] & 31, at + 1)
        end = at + _not_none(count)
        if end > len(body):
            raise IndexError(end)
        parts.append(body[at:end])
        at = end
    return b"".join(parts), at + 1


def _many(body: bytes, major: int, count: int | None, at: int, depth: int) -> tuple[Any, int]:
    """An array or a map. `count` is only believed as far as the body reaches."""
    found: list[Any] = []
    left = None if count is None else count * (major - 3)
    while left is None or left > 0:
        value, at = _item(body, at, depth)
        if value is BREAK:
            if left is not None:
                raise TypeError("stray break")
            break
        found.append(value)
        left = None if left is None else left - 1
    if major == 4:
        return found, at
    return dict(zip(found[::2], found[1::2], strict=True)), at


def _simple(body: bytes, low: int, at: int) -> tuple[Any, int]:
    if low == 31:
        return BREAK, at
    if low in _FLOATS:
        form, size = _FLOATS[low]
        return struct.unpack_from(form, body, at)[0], at + size
    if low in _CONSTANTS:
        return _CONSTANTS[low], at
    raise IndexError(low)


def _tagged(tag: int, value: Any) -> Any:
    if tag == 1 and isinstance(value, int | float):
        return float(value)
    if tag in (2, 3) and isinstance(value, bytes) and len(value) <= 32:
        number = int.from_bytes(value, "big")
        return number if tag == 2 else -1 - number
    raise TypeError(f"tag {tag}")


def _write(out: bytearray, value: Any) -> None:
    if value is None or isinstance(value, bool):
        out.append({None: 0xF6, True: 0xF5, False: 0xF4}[value])
    elif isinstance(value, Epoch):
        out.append(0xC1)
        _write(out, float(value))
    elif isinstance(value, float):
        out += b"\xfb" + struct.pack(">d", value)
    elif isinstance(value, int):
        _write_head(out, 0 if value >= 0 else 1, value if value >= 0 else -1 - value)
    elif isinstance(value, str | bytes | bytearray):
        raw = value.encode() if isinstance(value, str) else value
        _write_head(out, 3 if isinstance(value, str) else 2, len(raw))
        out += raw
    elif isinstance(value, dict):
        _write_head(out, 5, len(value))
        for pair in value.items():
            for item in pair:
                _write(out, item)
    else:
        _write_head(out, 4, len(value))
        for item in value:
            _write(out, item)


def _write_head(out: bytearray, major: int, count: int) -> None:
    if count < 24:
        out.append(major << 5 | count)
        return
    power = 0 if count < 1 << 8 else 1 if count < 1 << 16 else 2 if count < 1 << 32 else 3
    out.append(major << 5 | 24 + power)
    out += count.to_bytes(1 << power, "big")


_FLOATS = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}
_CONSTANTS = {20: False, 21: True, 22: None, 23: None}
