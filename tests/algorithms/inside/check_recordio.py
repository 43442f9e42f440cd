import numpy as np
import pytest

from clary.algorithms import recordio
from clary.algorithms.spec import UserError
from clary.algorithms.xgboost import data


def test_dense_rows_come_back() -> None:
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    entries = list(recordio.read(recordio.write(rows, np.array([0, 1, 0, 1]))))
    assert np.array_equal(data.features(entries), rows)
    assert [entry.label["values"].values.tolist() for entry in entries] == [[0], [1], [0], [1]]


def test_a_sparse_record_of_another_writer() -> None:
    # Record{features{"values": Float64Tensor{values [2.5, -1], keys [1, 300], shape [400]}}}, made by hand.
    tensor = b"\x0a\x10" + np.array([2.5, -1.0]).tobytes() + b"\x12\x03\x01\xac\x02" + b"\x1a\x02\x90\x03"
    value = b"\x1a" + bytes([len(tensor)]) + tensor
    entry = b"\x0a\x06values" + b"\x12" + bytes([len(value)]) + value
    record = b"\x0a" + bytes([len(entry)]) + entry
    frame = recordio.MAGIC.to_bytes(4, "little") + len(record).to_bytes(4, "little") + record
    matrix = data.features(list(recordio.read(frame + b"\0" * (-len(record) % 4))))
    assert matrix.shape == (1, 400)
    assert (matrix[0, 1], matrix[0, 300], matrix.nnz) == (2.5, -1.0, 2)


def test_negative_integers() -> None:
    # Int32Tensor values are varints of the 64-bit two's complement.
    tensor = b"\x0a\x0a" + b"\xff" * 9 + b"\x01"
    value = b"\x3a" + bytes([len(tensor)]) + tensor
    entry = b"\x0a\x06values" + b"\x12" + bytes([len(value)]) + value
    record = b"\x0a" + bytes([len(entry)]) + entry
    frame = recordio.MAGIC.to_bytes(4, "little") + len(record).to_bytes(4, "little") + record
    (found,) = recordio.read(frame + b"\0" * (-len(record) % 4))
    assert found.features["values"].values.tolist() == [-1]


@pytest.mark.parametrize("content", [b"1,2,3\n", b"\x0a\x23", recordio.write(np.ones((1, 3)))[:-4], b"\0" * 64])
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(UserError, match="RecordIO"):
        list(recordio.read(content))


def test_damaged_files_never_do_more_than_be_refused() -> None:
    good = recordio.write(np.ones((3, 4)), np.ones(3))
    random = np.random.default_rng(0)
    for _ in range(500):
        bad = bytearray(good)
        for place in random.integers(8, len(bad), 3):
            bad[place] = random.integers(256)
        try:
            data.features(list(recordio.read(bytes(bad))))
        except (UserError, ValueError):
            continue
