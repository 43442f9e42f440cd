"""The default codecs of the framework toolkits: bytes to numpy arrays and back, without a Python loop over numbers.

`np.load` never unpickles here: a request is a stranger's.
"""

import io
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from clary.algorithms import tables
from clary.serving.server.invocation import media_type, unsupported_accept, unsupported_content

CSV, JSON, JSON_LINES = "text/csv", "application/json", "application/jsonlines"
NPY, NPZ = "application/x-npy", "application/x-npz"
FIRST_GAP, LAST_GAP = re.compile(r"^,", re.MULTILINE), re.compile(r",(?=\r?$)", re.MULTILINE)


def decode(body: bytes | str, content_type: str) -> Any:
    """The array in a body. Raises `Refused` 415 for a type without a codec and `ValueError` for a bad body."""
    decoder = DECODERS.get(media_type(content_type))
    if decoder is None:
        raise unsupported_content(content_type)
    return decoder(body)


def encode(value: Any, accept: str) -> bytes:
    """The body for a prediction. Raises `Refused` 406 for a type without a codec."""
    encoder = ENCODERS.get(media_type(accept))
    if encoder is None:
        raise unsupported_accept(accept)
    return encoder(value)


def csv_table(body: bytes | str) -> Any:
    """Rows and columns, always two-dimensional; what is empty or no number becomes NaN."""
    try:
        return csv_numbers(body)
    except ValueError:
        return _csv_with_words(_text(body))


def csv_numbers(body: bytes | str) -> Any:
    """Likewise; empty cells become NaN, and a cell that is no number raises `ValueError`."""
    found = tables.numbers(_raw(body))
    if found is not None:
        return found
    text = _text(body)
    try:
        return _load(text)
    except ValueError:
        return _load(_filled(text))


def _load(text: str) -> Any:
    return np.loadtxt(io.StringIO(text), delimiter=",", ndmin=2, comments=None)


def _filled(text: str) -> str:
    """Every empty cell written out; the second pass finds the gaps that share a comma with one before."""
    inner = text.replace(",,", ",nan,").replace(",,", ",nan,")
    return LAST_GAP.sub(",nan", FIRST_GAP.sub("nan,", inner))


def _csv_with_words(text: str) -> Any:
    import pandas

    frame = pandas.read_csv(io.StringIO(text), header=None, skipinitialspace=True)
    return frame.apply(pandas.to_numeric, errors="coerce").to_numpy(dtype=float)


def _csv(body: bytes | str) -> Any:
    """As `numpy.genfromtxt` shapes it: a single row or column is one-dimensional."""
    return csv_table(body).squeeze()


def _json(body: bytes | str) -> Any:
    return np.array(json.loads(body))


def _json_lines(body: bytes | str) -> Any:
    return np.array([json.loads(line) for line in _text(body).splitlines() if line.strip()])


def _npy(body: bytes | str) -> Any:
    return np.load(io.BytesIO(_raw(body)), allow_pickle=False)


def _npz(body: bytes | str) -> Any:
    import scipy.sparse

    return scipy.sparse.load_npz(io.BytesIO(_raw(body)))


def _to_csv(value: Any) -> bytes:
    table = np.atleast_1d(np.asarray(value))
    if table.ndim == 1:
        return ("\n".join(table.astype(str).tolist()) + "\n").encode()
    return ("\n".join(map(",".join, table.astype(str).tolist())) + "\n").encode()


def _to_json(value: Any) -> bytes:
    return _written(value).encode()


def _to_json_lines(value: Any) -> bytes:
    rows = value.tolist() if hasattr(value, "tolist") else value
    rows = rows if isinstance(rows, list) else [rows]
    return "".join(_written(row) + "\n" for row in rows).encode()


def _to_npy(value: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(value), allow_pickle=False)
    return buffer.getvalue()


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")


_written = json.JSONEncoder(default=_plain).encode


def _text(body: bytes | str) -> str:
    return body if isinstance(body, str) else body.decode()


def _raw(body: bytes | str) -> bytes:
    return body.encode() if isinstance(body, str) else body


DECODERS: dict[str, Callable[[bytes | str], Any]] = {
    CSV: _csv,
    JSON: _json,
    JSON_LINES: _json_lines,
    NPY: _npy,
    NPZ: _npz,
}
ENCODERS: dict[str, Callable[[Any], bytes]] = {CSV: _to_csv, JSON: _to_json, JSON_LINES: _to_json_lines, NPY: _to_npy}
