"""Objects cut into payloads: what goes in together comes out in order, and nothing else."""

import io
import struct
from typing import Any, BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clary.serving.batch.split import MAGIC, BadRecord, TooLarge, payloads


def cut(content: bytes, split: str, limit: int = 8, *, single: bool = False) -> list[bytes]:
    return list(payloads(io.BytesIO(content), split, single=single, limit=limit))


def frame(data: bytes, flag: int = 0) -> bytes:
    return struct.pack("<II", MAGIC, flag << 29 | len(data)) + data + b"\0" * (-len(data) % 4)


def example(data: bytes) -> bytes:
    return struct.pack("<QI", len(data), 7) + data + b"sums"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"a", [b"a"]),
        (b"a\n", [b"a"]),
        (b"aa\nbb\ncc\n", [b"aa\nbb\ncc"]),
        (b"aaa\nbbb\nccc\nddd", [b"aaa\nbbb", b"ccc\nddd"]),
        (b"12345678\n12345678\n", [b"12345678", b"12345678"]),
        (b"1234567\n8\n", [b"1234567", b"8"]),
        (b"a,\r\nb,\r\nc\r\n", [b"a,\r\nb,\r", b"c\r"]),
        (b"\n\n\n", [b"\n\n"]),
    ],
)
def test_lines_go_together_as_far_as_they_fit(content: bytes, expected: list[bytes]) -> None:
    assert cut(content, "Line") == expected


def test_single_lines() -> None:
    assert cut(b"a,1\n\nb,2\r\nc", "Line", single=True) == [b"a,1", b"b,2", b"c"]


@given(st.lists(st.binary(max_size=9).filter(lambda line: b"\n" not in line), max_size=30), st.integers(9, 40))
def test_no_line_is_lost_or_cut(lines: list[bytes], limit: int) -> None:
    content = b"".join(line + b"\n" for line in lines)
    found = cut(content, "Line", limit)
    assert all(len(payload) <= limit for payload in found)
    told = [line for payload in found for line in payload.split(b"\n")]
    assert [line for line in told if line] == [line for line in lines if line]


def test_whole() -> None:
    assert (cut(b"a\nb\nc\nd\n", "None"), cut(b"", "None")) == ([b"a\nb\nc\nd\n"], [])


@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize(
    ("content", "split"),
    [
        (b"123456789", "None"),
        (b"a\n123456789\nb", "Line"),
        (frame(b"123456789"), "RecordIO"),
        (example(b"123456789"), "TFRecord"),
        (struct.pack("<QI", 1 << 62, 0), "TFRecord"),
    ],
)
def test_a_record_over_the_limit_is_refused(content: bytes, split: str, single: bool) -> None:
    with pytest.raises(TooLarge):
        cut(content, split, single=single)


def test_recordio() -> None:
    """Together as they lie, alone without their frames."""
    records = [b"one", b"", b"three", b"four"]
    content = b"".join(map(frame, records))
    assert cut(content, "RecordIO", 100, single=True) == records
    assert cut(content, "RecordIO", 100) == [content]
    assert cut(content, "RecordIO", 20) == [frame(b"one") + frame(b""), frame(b"three"), frame(b"four")]


def test_recordio_of_several_frames() -> None:
    """The magic number within a record is where it is cut."""
    content = frame(b"ab", 1) + frame(b"cd", 2) + frame(b"ef", 3) + frame(b"g")
    magic = struct.pack("<I", MAGIC)
    assert cut(content, "RecordIO", 100, single=True) == [b"ab" + magic + b"cd" + magic + b"ef", b"g"]
    assert cut(content, "RecordIO", 40) == [content[:36], content[36:]]


def test_tfrecord() -> None:
    records = [b"one", b"", b"three"]
    content = b"".join(map(example, records))
    assert cut(content, "TFRecord", 100, single=True) == records
    assert cut(content, "TFRecord", 100) == [content]
    assert cut(content, "TFRecord", 36) == [content[:35], content[35:]]


@pytest.mark.parametrize(
    ("content", "split"),
    [
        (b"garbage!", "RecordIO"),
        (frame(b"abcd")[:-1], "RecordIO"),
        (frame(b"a", 2), "RecordIO"),
        (frame(b"a", 1) + frame(b"b", 0), "RecordIO"),
        (frame(b"a", 1), "RecordIO"),
        (b"short", "TFRecord"),
        (example(b"abc")[:-1], "TFRecord"),
    ],
)
def test_what_is_no_record_is_refused(content: bytes, split: str) -> None:
    with pytest.raises(BadRecord):
        cut(content, split, 100)


class Endless(io.RawIOBase):
    """Bytes without a line's end, and how many were asked for."""

    def __init__(self) -> None:
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = len(buffer)
        buffer[:] = b"x" * size
        self.taken += size
        return size


def test_an_endless_line_is_read_no_further_than_the_limit() -> None:
    source = Endless()
    file: BinaryIO = io.BufferedReader(source, 16)  # type: ignore[arg-type, assignment]
    with pytest.raises(TooLarge):
        list(payloads(file, "Line", single=False, limit=1000))
    assert source.taken < 2000
