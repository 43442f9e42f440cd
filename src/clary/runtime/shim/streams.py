"""From a pipe's folder (`runtime/pipes.py`) to the bytes of one pass over it. The feeder's only knowledge of data."""

import json
import os
import struct
from array import array
from collections.abc import Iterator, Sequence

from clary.runtime.shim.spec import Pipe

FILES, NAMES, RECORDS = "files", "names", "records"
MAGIC = 0xCED7230A
LONGEST_FRAME = (1 << 29) - 1
"""Bytes: the top three bits of a RecordIO frame's length are flags."""
CHUNK = 1024 * 1024
_AT_ONCE = 1 << 30
_HEAD = struct.Struct("<II")


class BadStream(Exception):
    """The data cannot be delivered as asked; the message is the caller's to read."""


def order(count: int, seed: int | None, epoch: int) -> Sequence[int]:
    """In which order a pass takes its records: as stored or, with a seed, shuffled anew, alike on every host."""
    if seed is None:
        return range(count)
    import random

    numbers = array("q", range(count))
    random.Random(f"{seed}/{epoch}").shuffle(numbers)
    return numbers


class Stream:
    """One host's part of a pipe. Holds where each record's line begins, and no record."""

    def __init__(self, pipe: Pipe) -> None:
        self.pipe = pipe
        self.source = pipe["source"]
        self.starts = array("Q", [0])
        with open(f"{self.source}/{RECORDS}", "rb") as lines:
            for line in lines:
                self.starts.append(self.starts[-1] + len(line))
        self._records = os.open(f"{self.source}/{RECORDS}", os.O_RDONLY | os.O_CLOEXEC)

    def write(self, epoch: int, out: int) -> None:
        """One pass into a FIFO. Raises `BrokenPipeError` when its reader leaves, `BadStream`."""
        whole = order(len(self.starts) - 1, self.pipe["seed"], epoch)
        for number in whole[self.pipe["part"] :: self.pipe["parts"]]:
            start = self.starts[number]
            for piece in json.loads(os.pread(self._records, self.starts[number + 1] - start, start)):
                if isinstance(piece, str):
                    self._text(piece.encode("utf-8", "replace"), out)
                else:
                    self._file(piece, out)

    def _text(self, text: bytes, out: int) -> None:
        if self.pipe["framed"]:
            text = _head(len(text)) + text + _padding(len(text))
        _put(out, text)

    def _file(self, number: int, out: int) -> None:
        try:
            source = os.open(f"{self.source}/{FILES}/{number}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                self._body(source, out)
            finally:
                os.close(source)
        except BrokenPipeError:
            raise
        except (BadStream, OSError) as error:
            raise BadStream(f"Data download failed: {self._name(number)}: {error}") from error

    def _body(self, source: int, out: int) -> None:
        if not self.pipe["framed"]:
            self._content(source, out)
            return
        size = self._size(source)
        _put(out, _head(size))
        self._content(source, out)
        _put(out, _padding(size))

    def _size(self, source: int) -> int:
        """Of the content. Compressed content is decompressed twice: nothing of it is kept anywhere."""
        if not self.pipe["gzip"]:
            return os.fstat(source).st_size
        size = 0
        for block in inflated(source):
            size += len(block)
            if size > LONGEST_FRAME:
                break
        os.lseek(source, 0, os.SEEK_SET)
        return size

    def _content(self, source: int, out: int) -> None:
        if not self.pipe["gzip"]:
            _send(source, out)
            return
        for block in inflated(source):
            _put(out, block)

    def _name(self, number: int) -> str:
        with open(f"{self.source}/{NAMES}") as lines:
            return next((str(json.loads(line)) for at, line in enumerate(lines) if at == number), f"file {number}")


def inflated(source: int) -> Iterator[bytes]:
    """The content of a gzip file of any number of members, in blocks of bounded size. Raises `BadStream`."""
    import zlib

    engine = zlib.decompressobj(31)
    rest, begun = b"", False
    try:
        while rest or (rest := os.read(source, CHUNK)):
            if engine.eof:
                # Members may be padded with zeros.
                rest = rest.lstrip(b"\0")
                engine, begun = (zlib.decompressobj(31), True) if rest else (engine, begun)
                continue
            begun = True
            block = engine.decompress(rest, CHUNK)
            rest = engine.unused_data if engine.eof else engine.unconsumed_tail
            if block:
                yield block
        while begun and not engine.eof:
            block = engine.decompress(b"", CHUNK)
            if not block:
                raise BadStream("the gzip file is cut off")
            yield block
    except zlib.error as error:
        raise BadStream(f"not a valid gzip file ({error})") from error


def _head(size: int) -> bytes:
    if size > LONGEST_FRAME:
        raise BadStream(f"longer than a RecordIO record can be ({LONGEST_FRAME} bytes)")
    return _HEAD.pack(MAGIC, size)


def _padding(size: int) -> bytes:
    return b"\0" * (-size % 4)


def _put(out: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(out, view) :]


def _send(source: int, out: int) -> None:
    """The whole file, without its bytes passing through this process where the file system can."""
    at = 0
    try:
        while done := os.splice(source, out, _AT_ONCE, offset_src=at):
            at += done
        return
    except BrokenPipeError:
        raise
    except OSError:
        os.lseek(source, at, os.SEEK_SET)
    while block := os.read(source, CHUNK):
        _put(out, block)
