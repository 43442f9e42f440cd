"""Channel files to an XGBoost matrix: csv, libsvm, parquet and recordio-protobuf."""

import csv
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from clary.algorithms import recordio
from clary.algorithms.spec import Array, UserError, bare

FORMATS = {
    "text/libsvm": "libsvm",
    "text/x-libsvm": "libsvm",
    "libsvm": "libsvm",
    "text/csv": "csv",
    "csv": "csv",
    "application/x-parquet": "parquet",
    "parquet": "parquet",
    "application/x-recordio-protobuf": "recordio",
    "recordio-protobuf": "recordio",
}
SNIFFED_BYTES = 64 * 1024


def format_of(content_type: str | None) -> str:
    """`csv`, `libsvm`, `parquet` or `recordio`; libsvm when nothing is said. Raises `UserError`."""
    if not content_type:
        return "libsvm"
    found = FORMATS.get(bare(content_type))
    if found is None:
        raise UserError(f"{content_type} is not an accepted ContentType: {', '.join(FORMATS)}")
    options = dict(part.strip().lower().partition("=")[::2] for part in content_type.split(";")[1:])
    if found == "csv" and options.get("label_size", "1") != "1":
        raise UserError(f"{content_type} is not an accepted csv ContentType. Optional parameter label_size must be 1")
    return found


def files(folder: Path) -> list[Path]:
    """All visible files with content below a channel's folder, sorted. Links are followed, but not in circles."""
    found: list[Path] = []
    seen: set[tuple[int, int]] = set()
    for top, folders, names in os.walk(folder, followlinks=True):
        place = Path(top).stat()
        if (place.st_dev, place.st_ino) in seen:
            folders.clear()
            continue
        seen.add((place.st_dev, place.st_ino))
        found += (Path(top) / name for name in names if not name.startswith("."))
    return sorted(file for file in found if file.is_file() and file.stat().st_size)


def matrix(folder: Path, form: str, weighted: bool = False) -> "xgboost.DMatrix | None":
    """The channel's data, label first; `None` when it holds no file. Raises `UserError` for unreadable content."""
    return matrix_of(files(folder), form, weighted)


def matrix_of(paths: list[Path], form: str, weighted: bool = False) -> "xgboost.DMatrix | None":
    """As `matrix`, of some files."""
    if not paths:
        return None
    try:
        return _READERS[form](paths, weighted)
    except (ValueError, xgboost.core.XGBoostError, OSError) as error:
        raise UserError(f"Failed to load {form} data: {error}") from error


def delimiter(first_line: str) -> str:
    """The csv delimiter that a line shows; a comma when it has a single column."""
    try:
        return str(csv.Sniffer().sniff(first_line, delimiters=",;\t| ").delimiter)
    except csv.Error:
        return ","


def _csv(paths: list[Path], weighted: bool) -> "xgboost.DMatrix":
    import pandas

    frames = []
    for path in paths:
        with path.open(errors="replace") as file:
            found = delimiter(file.readline(SNIFFED_BYTES))
        # "nan" and the empty field are pandas' own missing values.
        frames.append(pandas.read_csv(path, header=None, sep=found, dtype=np.float32).to_numpy())
    return labelled(_stack(frames), weighted)


def _parquet(paths: list[Path], weighted: bool) -> "xgboost.DMatrix":
    import pandas

    return labelled(_stack([pandas.read_parquet(path).to_numpy(dtype=np.float32) for path in paths]), weighted)


def _stack(frames: list[Array]) -> Array:
    widths = {frame.shape[1] for frame in frames}
    if len(widths) > 1:
        raise UserError(f"The files of a channel differ in their number of columns: {sorted(widths)}")
    return np.concatenate(frames)


def labelled(table: Array, weighted: bool = False) -> "xgboost.DMatrix":
    """Column 0 is the label and, when `weighted`, column 1 the weight of the row."""
    if table.shape[1] < (3 if weighted else 2):
        raise UserError(f"The data has {table.shape[1]} columns: a label and at least one feature are needed")
    if weighted:
        return xgboost.DMatrix(table[:, 2:], label=table[:, 0], weight=table[:, 1])
    return xgboost.DMatrix(table[:, 1:], label=table[:, 0])


def _libsvm(paths: list[Path], weighted: bool) -> "xgboost.DMatrix":
    # XGBoost reads a URI in which ? # ; & are its own syntax: hand it names that have none.
    with tempfile.TemporaryDirectory(prefix="libsvm-") as folder:
        plain = Path(folder) / "data"
        with plain.open("wb") as out:
            for path in paths:
                content = path.read_bytes()
                out.write(content if content.endswith(b"\n") else content + b"\n")
        return xgboost.DMatrix(f"{plain}?format=libsvm")


def _recordio(paths: list[Path], weighted: bool) -> "xgboost.DMatrix":
    entries = [entry for path in paths for entry in recordio.read(path.read_bytes())]
    return xgboost.DMatrix(features(entries), label=_labels(entries))


def _labels(entries: Iterable[recordio.Entry]) -> Array:
    try:
        return np.array([entry.label["values"].values[0] for entry in entries], np.float32)
    except (KeyError, IndexError) as error:
        raise UserError("RecordIO: a record has no label") from error


def features(entries: list[recordio.Entry]) -> Any:
    """The feature vectors of all records: an array, or a CSR matrix when they are sparse."""
    tensors = [entry.features.get("values") for entry in entries]
    present = [tensor for tensor in tensors if tensor is not None]
    if len(present) != len(tensors):
        raise UserError("RecordIO: a record has no features")
    if all(not tensor.shape or not len(tensor.keys) for tensor in present):
        return np.stack([tensor.values.astype(np.float32) for tensor in present])
    from scipy.sparse import csr_matrix

    width = max(tensor.shape[0] if tensor.shape else len(tensor.values) for tensor in present)
    starts = np.cumsum([0, *(len(tensor.values) for tensor in present)])
    columns = np.concatenate([tensor.keys if len(tensor.keys) else np.arange(len(tensor.values)) for tensor in present])
    values = np.concatenate([tensor.values.astype(np.float32) for tensor in present])
    return csr_matrix((values, columns.astype(np.int64), starts), shape=(len(present), width))


_READERS = {"csv": _csv, "libsvm": _libsvm, "parquet": _parquet, "recordio": _recordio}
