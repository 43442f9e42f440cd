"""RecordIO-protobuf, the data format of AWS's built-in algorithms: read and written with numpy only.

A file is a sequence of frames: `uint32 magic`, `uint32 length`, the protobuf `Record`, zeros up to a multiple of 4.
`Record` has the maps `features` (field 1) and `label` (2) from a name to a `Value`, one of the tensors below.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from clary.algorithms.spec import Array, UserError

MAGIC = 0xCED7230A
_HEAD = struct.Struct("<II")
_LENGTH_MASK = (1 << 29) - 1
"""The top three bits of a frame's length are flags in MXNet's form of it."""
_TENSORS: dict[int, Any] = {2: np.dtype("<f4"), 3: np.dtype("<f8"), 7: np.dtype("<i4")}
"""Field of `Value` to element type: Float32Tensor, Float64Tensor, Int32Tensor."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """Dense when `keys` is empty; else `values` stand at the positions `keys` of a vector of `shape[0]`."""

    values: Array
    keys: Array
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One record: its tensors by name, usually `values`."""

    features: dict[str, Tensor]
    label: dict[str, Tensor]


def frames(content: bytes) -> Iterator[memoryview]:
    """The payload of each frame. Raises `UserError` for anything that is not RecordIO."""
    view = memoryview(content)
    at = 0
    while at < len(view):
        if at + _HEAD.size > len(view):
            raise UserError("RecordIO: the last frame is cut off")
        magic, length = _HEAD.unpack_from(view, at)
        length &= _LENGTH_MASK
        if magic != MAGIC:
            raise UserError(f"RecordIO: no frame begins at byte {at}")
        at += _HEAD.size
        if at + length > len(view):
            raise UserError("RecordIO: the last frame is cut off")
        yield view[at : at + length]
        at += (length + 3) // 4 * 4


def read(content: bytes) -> Iterator[Entry]:
    """The records of a whole file."""
    for frame in frames(content):
        features: dict[str, Tensor] = {}
        label: dict[str, Tensor] = {}
        for field, value in _fields(frame):
            if field in (1, 2):
                name, tensor = _map_entry(value)
                (features if field == 1 else label)[name] = tensor
        yield Entry(features, label)


def _map_entry(view: Any) -> tuple[str, Tensor]:
    name, tensor = "", Tensor(np.empty(0, "<f4"), np.empty(0, np.uint64), ())
    for field, value in _fields(view):
        if field == 1 and not isinstance(value, int):
            name = bytes(value).decode("utf-8", "replace")
        elif field == 2:
            tensor = _value(value)
    return name, tensor


def _value(view: Any) -> Tensor:
    for field, value in _fields(view):
        if field in _TENSORS:
            return _tensor(value, _TENSORS[field])
    raise UserError("RecordIO: a record holds bytes where numbers are expected")


def _tensor(view: Any, kind: Any) -> Tensor:
    values: list[Array] = []
    keys: list[int] = []
    shape: list[int] = []
    for field, value in _fields(view):
        if field == 1:
            values.append(_numbers(value, kind))
        elif field in (2, 3):
            (keys if field == 2 else shape).extend(_varints(value))
    whole = np.concatenate(values) if values else np.empty(0, kind)
    return Tensor(whole, np.array(keys, np.uint64), tuple(shape))


def _numbers(value: Any, kind: Any) -> Array:
    """Packed or single elements; integers are varints, in two's complement when negative."""
    if kind.kind == "i":
        return np.array(_varints(value), np.uint64).astype(np.uint32).view(np.int32)
    if isinstance(value, int):
        raise UserError("RecordIO: a tensor holds integers where fractions are expected")
    if len(value) % kind.itemsize:
        raise UserError("RecordIO: a tensor is cut off")
    return np.frombuffer(value, kind)


def _varints(value: Any) -> list[int]:
    if isinstance(value, int):
        return [value]
    found, at = [], 0
    while at < len(value):
        number, at = _varint(value, at)
        found.append(number)
    return found


def _fields(view: Any) -> Iterator[tuple[int, Any]]:
    """`(field number, value)` of one protobuf message: an int for varints, else the bytes."""
    if isinstance(view, int):
        raise UserError("RecordIO: a record holds a number where a message is expected")
    at = 0
    while at < len(view):
        tag, at = _varint(view, at)
        field, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(view, at)
            yield field, value
            continue
        if wire == 2:
            size, at = _varint(view, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise UserError("RecordIO: a frame does not hold a Record")
        if at + size > len(view):
            raise UserError("RecordIO: a record is cut off")
        yield field, view[at : at + size]
        at += size


def _varint(view: Any, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if at >= len(view) or shift > 63:
            raise UserError("RecordIO: a record is cut off")
        byte = view[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return number & (1 << 64) - 1, at
        shift += 7


def write(features: Array, labels: Array | None = None) -> bytes:
    """Dense rows as a file of float32 tensors: the inverse of `read` for tests, tools and answers."""
    out = bytearray()
    for index, row in enumerate(np.asarray(features, "<f4")):
        record = _message(1, _named(row))
        if labels is not None:
            record += _message(2, _named(np.asarray(labels[index : index + 1], "<f4")))
        out += _frame(record)
    return bytes(out)


def write_labels(rows: list[dict[str, Array]]) -> bytes:
    """Answers: one record a row whose label map holds the named values."""
    return b"".join(
        _frame(
            b"".join(_message(2, _named(np.atleast_1d(np.asarray(value, "<f4")), name)) for name, value in row.items())
        )
        for row in rows
    )


def _frame(record: bytes) -> bytes:
    return _HEAD.pack(MAGIC, len(record)) + record + b"\0" * (-len(record) % 4)


def _named(values: Array, name: str = "values") -> bytes:
    tensor = _message(1, values.tobytes())
    return _message(1, name.encode()) + _message(2, _message(2, tensor))


def _message(field: int, content: bytes) -> bytes:
    return _size(field << 3 | 2) + _size(len(content)) + content


def _size(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
