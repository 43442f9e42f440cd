"""An object's bytes as payloads: whole, or cut between records. Memory for one payload, whatever the object's size.

The forms of records and what of them is sent are AWS's: several records go as they lie in the object; a single one goes
without the frame around it.
"""

import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO

MEGABYTE = 1 << 20
MAGIC = 0xCED7230A
_RECORDIO, _TFRECORD = struct.Struct("<II"), struct.Struct("<QI")
_LENGTH = (1 << 29) - 1
"""The top three bits of a RecordIO frame's length say which part of a record it is."""
_TAIL = 4
"""Bytes of the checksum behind a TFRecord."""


class BadRecord(Exception):
    """The object cannot be cut into payloads; the message is the user's to read."""


class TooLarge(BadRecord):
    def __init__(self, limit: int) -> None:
        super().__init__(f"Too much data for max payload size: a record is larger than {limit} bytes")


def payloads(file: BinaryIO, split: str, *, single: bool, limit: int) -> Iterator[bytes]:
    """`limit`: bytes of a payload. An empty object has none. Raises `BadRecord`."""
    if split == "None":
        yield from _whole(file, limit)
    elif split == "Line":
        yield from _lines(file, limit) if single else _blocks(file, limit)
    else:
        read = _recordio if split == "RecordIO" else _tfrecord
        yield from _bare(file, limit, read) if single else _packed(file, limit, read)


def _whole(file: BinaryIO, limit: int) -> Iterator[bytes]:
    body = file.read(limit + 1)
    if len(body) > limit:
        raise TooLarge(limit)
    if body:
        yield body


def _lines(file: BinaryIO, limit: int) -> Iterator[bytes]:
    """Each line but empty ones, without its end."""
    while line := file.readline(limit + 2):
        line = line.removesuffix(b"\n").removesuffix(b"\r")
        if len(line) > limit:
            raise TooLarge(limit)
        if line:
            yield line


def _blocks(file: BinaryIO, limit: int) -> Iterator[bytes]:
    """As many whole lines as fit, without the last one's end."""
    rest = b""
    while True:
        fresh = file.read(limit + 1 - len(rest))
        data = rest + fresh if rest else fresh
        if len(data) <= limit:
            # Short of what was asked for: the end, as `BinaryIO.read` gives less only there.
            if body := data.removesuffix(b"\n"):
                yield body
            return
        end = data.rfind(b"\n")
        if end < 0:
            raise TooLarge(limit)
        if end:
            yield data[:end]
        rest = data[end + 1 :]


Frame = tuple[bytes, bytes]
"""A record as it lies in the object, and bare."""


def _bare(file: BinaryIO, limit: int, read: Callable[[BinaryIO, int], Frame | None]) -> Iterator[bytes]:
    while frame := read(file, limit):
        if len(frame[1]) > limit:
            raise TooLarge(limit)
        yield frame[1]


def _packed(file: BinaryIO, limit: int, read: Callable[[BinaryIO, int], Frame | None]) -> Iterator[bytes]:
    body = bytearray()
    while frame := read(file, limit):
        if len(frame[0]) > limit:
            raise TooLarge(limit)
        if len(body) + len(frame[0]) > limit:
            yield bytes(body)
            body.clear()
        body += frame[0]
    if body:
        yield bytes(body)


def _recordio(file: BinaryIO, limit: int) -> Frame | None:
    """A record may be of several frames: where its bytes hold the magic number, which the cut leaves out."""
    raw, parts = bytearray(), list[bytes]()
    while True:
        head = file.read(_RECORDIO.size)
        if not head and not raw:
            return None
        magic, word = _RECORDIO.unpack(_all(head, _RECORDIO.size, "RecordIO"))
        if magic != MAGIC:
            raise BadRecord("Failed to split the data as RecordIO: a record does not begin with the magic number")
        flag, length = word >> 29, word & _LENGTH
        if len(raw) + length > limit:
            raise TooLarge(limit)
        padded = length + -length % 4
        data = _all(file.read(padded), padded, "RecordIO")
        raw += head + data
        parts.append(data[:length])
        if flag not in ((0, 1) if len(parts) == 1 else (2, 3)):
            raise BadRecord("Failed to split the data as RecordIO: the parts of a record are out of order")
        if flag in (0, 3):
            return bytes(raw), struct.pack("<I", MAGIC).join(parts)


def _tfrecord(file: BinaryIO, limit: int) -> Frame | None:
    head = file.read(_TFRECORD.size)
    if not head:
        return None
    length, _ = _TFRECORD.unpack(_all(head, _TFRECORD.size, "TFRecord"))
    if length > limit:
        raise TooLarge(limit)
    data = _all(file.read(length + _TAIL), length + _TAIL, "TFRecord")
    return head + data, data[:length]


def _all(data: bytes, size: int, form: str) -> bytes:
    if len(data) < size:
        raise BadRecord(f"Failed to split the data as {form}: the last record is cut off")
    return data
