"""CSV for the large payloads of batch transform, by way of pyarrow: half the work of numpy, a seventh of Python's.

Only where a model server was told that it serves batch transform, whose image has pyarrow: it takes memory and a moment
to import, which an endpoint had better spare. What pyarrow does not read as numbers is left to whoever asks.
"""

import functools
import os
from typing import Any

import numpy as np

LEAST_BYTES = 64 * 1024
MOST_COLUMNS = 10_000
SMALLEST, LARGEST = 1e-4, 1e7
"""Fractions between these are written alike by pyarrow and Python."""


@functools.cache
def _arrow() -> Any:
    """The package; `None` where it is not to be used."""
    if os.environ.get("SAGEMAKER_BATCH", "").lower() != "true":
        return None
    try:
        import pyarrow
        import pyarrow.csv
    except ImportError:
        return None
    return pyarrow


def prepare() -> None:
    """Import what the rest needs, where it is to be used."""
    _arrow()


def numbers(body: bytes, kind: str = "float64") -> Any:
    """The rows, empty cells as NaN; `None` for anything unusual, which somebody else may be able to read."""
    arrow = _arrow() if len(body) >= LEAST_BYTES else None
    if arrow is None:
        return None
    columns = body.partition(b"\n")[0].count(b",") + 1
    if columns > MOST_COLUMNS:
        return None
    names = [str(number) for number in range(columns)]
    csv = arrow.csv
    try:
        table = csv.read_csv(
            arrow.BufferReader(body),
            csv.ReadOptions(column_names=names, use_threads=False),
            csv.ParseOptions(quote_char=False),
            csv.ConvertOptions(column_types=dict.fromkeys(names, arrow.float64()), null_values=["", "nan", "NaN"]),
        )
    except arrow.ArrowInvalid:
        return None
    found = np.empty((table.num_rows, columns), kind)
    for number, column in enumerate(table.columns):
        found[:, number] = column.to_numpy()
    return found


def lines(values: Any) -> bytes | None:
    """One-dimensional numbers, each on a line, as Python writes them; `None` where pyarrow is not to be used."""
    arrow = _arrow() if values.ndim == 1 and len(values) >= 1024 else None
    if arrow is None:
        return None
    exact = np.ascontiguousarray(values, dtype=np.float64)
    # Not `arrow.array`, which looks for pandas, and stumbles where that is hidden.
    held = arrow.Array.from_buffers(arrow.float64(), len(exact), [None, arrow.py_buffer(exact)])
    texts = held.cast(arrow.string()).to_pylist()
    size = np.abs(exact)
    alike = (size >= SMALLEST) & (size < LARGEST) & (exact != np.trunc(exact))
    for number in np.flatnonzero(~alike).tolist():
        texts[number] = str(exact[number].item())
    return "\n".join(texts).encode()
