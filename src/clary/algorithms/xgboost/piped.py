"""A channel in Pipe mode: one pass over its FIFO, on disk while a matrix is made of it."""

import mmap
import shutil
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clary.algorithms.spec import UserError

BLOCK = 1024 * 1024
_MARK = b"PAR1"
"""A parquet file begins with it and ends with the footer, the footer's length and it again."""
_SMALLEST = 12


@contextmanager
def files(channel: Path, form: str) -> Iterator[list[Path]]:
    """What the first pass brings, as files to read; none when it brings nothing. Raises `UserError`."""
    if form == "libsvm":
        raise UserError("Pipe mode not supported for LibSVM.")
    with tempfile.TemporaryDirectory(prefix="pipe-") as folder:
        whole = Path(folder) / "data"
        with channel.with_name(f"{channel.name}_0").open("rb") as pipe, whole.open("wb") as out:
            shutil.copyfileobj(pipe, out, BLOCK)
        if not whole.stat().st_size:
            yield []
        else:
            yield parquet_files(whole) if form == "parquet" else [whole]


def parquet_files(whole: Path) -> list[Path]:
    """Parquet files that stand in a row, as one file each: beside text, they cannot be read as one."""
    with whole.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        ends = [*_seams(data), len(data)]
        parts = []
        for number, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
            parts.append(whole.with_name(f"{number}.parquet"))
            with parts[-1].open("wb") as out:
                out.write(memoryview(data)[start:end])
    return parts


def _seams(data: mmap.mmap) -> Iterator[int]:
    """Where one file ends and the next begins: both marks, and a footer's length that fits before them."""
    start, at = 0, 0
    while (at := data.find(_MARK + _MARK, at)) >= 0:
        end = at + len(_MARK)
        if end - start >= _SMALLEST and struct.unpack_from("<I", data, at - 4)[0] <= end - start - _SMALLEST:
            yield end
            start = end
        at = end
