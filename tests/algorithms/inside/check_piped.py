"""Channels in Pipe mode: a FIFO's bytes become the same matrix as the files would."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from clary.algorithms import recordio
from clary.algorithms.spec import UserError
from clary.algorithms.xgboost import data, piped

ROWS = np.arange(60, dtype=np.float32).reshape(20, 3)


def parquet(rows: Any) -> bytes:
    content: bytes = pandas.DataFrame(rows, columns=list("abc")).to_parquet(None)
    return content


def csv(rows: Any) -> bytes:
    return b"".join(",".join(map(str, row)).encode() + b"\n" for row in rows)


def read(folder: Path, content: bytes, form: str) -> Any:
    os.mkfifo(folder / "train_0")
    writer = threading.Thread(target=lambda: (folder / "train_0").write_bytes(content))
    writer.start()
    try:
        with piped.files(folder / "train", form) as paths:
            return data.matrix_of(paths, form)
    finally:
        writer.join()


@pytest.mark.parametrize(
    ("form", "write"),
    [("csv", csv), ("parquet", parquet), ("recordio", lambda rows: recordio.write(rows[:, 1:], rows[:, 0]))],
)
def test_files_in_a_row_are_one_matrix(tmp_path: Path, form: str, write: Callable[[Any], bytes]) -> None:
    found = read(tmp_path, b"".join(write(part) for part in (ROWS[:5], ROWS[5:6], ROWS[6:])), form)
    assert found.get_label().tolist() == ROWS[:, 0].tolist()
    assert found.get_data().toarray().tolist() == ROWS[:, 1:].tolist()


def test_marks_inside_parquet_files_are_no_seams(tmp_path: Path) -> None:
    frame = pandas.DataFrame({"a": ["PAR1PAR1" * 3, "x"]})
    content = [frame.to_parquet(None, compression=None), parquet(ROWS)]
    (tmp_path / "whole").write_bytes(b"".join(content))
    assert [part.read_bytes() for part in piped.parquet_files(tmp_path / "whole")] == content


@pytest.mark.parametrize("content", [b"PAR1", b"PAR1PAR1", b"no parquet" * 9])
def test_what_is_no_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UserError, match="Failed to load parquet data"):
        read(tmp_path, content, "parquet")


def test_a_host_may_get_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, b"", "csv") is None


def test_libsvm_cannot_be_piped(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Pipe mode not supported for LibSVM"), piped.files(tmp_path, "libsvm"):
        pass


def test_links_that_lead_in_circles(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/a.csv").write_text("1,2\n")
    (tmp_path / "deep/back").symlink_to(tmp_path)
    (tmp_path / "broken").symlink_to("nowhere")
    assert data.files(tmp_path) == [tmp_path / "deep/a.csv"]
