import subprocess
import sys

import numpy as np
import pytest

from clary.algorithms import tables


@pytest.fixture(autouse=True)
def batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """pyarrow is used for every size."""
    monkeypatch.setenv("SAGEMAKER_BATCH", "true")
    monkeypatch.setattr(tables, "LEAST_BYTES", 0)
    tables._arrow.cache_clear()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"1,2\n3,4", [[1, 2], [3, 4]]),
        (b"1\n2\n", [[1], [2]]),
        (b"1,,nan\r\n-inf,1e-3,NaN\r\n", [[1, np.nan, np.nan], [-np.inf, 0.001, np.nan]]),
        (b"1,2\n\n3,4\n", [[1, 2], [3, 4]]),
    ],
)
def test_numbers(body: bytes, expected: list[list[float]]) -> None:
    np.testing.assert_array_equal(tables.numbers(body), expected)


@pytest.mark.parametrize("body", [b"1,2\n3", b"a,b\n1,2", b"1,2\n3,4,5", b'"1",2', b"1, x", b"", b"\xff,\xfe", b"1;2"])
def test_what_is_left_to_others(body: bytes) -> None:
    assert tables.numbers(body) is None


def test_numbers_are_those_of_numpy() -> None:
    rows = np.random.default_rng(0).normal(size=(500, 7))
    body = "\n".join(",".join(map(str, row)) for row in rows.tolist()).encode()
    np.testing.assert_array_equal(tables.numbers(body), rows)


def test_lines_are_as_python_writes_them() -> None:
    chance = np.random.default_rng(1)
    values = np.concatenate(
        [
            chance.random(5000),
            10 ** chance.uniform(-12, 20, 5000),
            -(10 ** chance.uniform(-12, 20, 500)),
            [0.0, -0.0, 1.0, -1.0, 1e-4, 1e7, 1e16, np.inf, -np.inf, np.nan],
        ]
    )
    for each in (values, values.astype(np.float32)):
        assert tables.lines(each) == "\n".join(map(str, each.tolist())).encode()


def test_without_pandas() -> None:
    """As a model server has it: the very first time, too."""
    program = (
        "import sys; from clary.algorithms import tables; tables.prepare(); sys.modules['pandas'] = None; "
        "import numpy; rows = tables.numbers(b'1,2\\n' * 40000); print(rows.shape, tables.lines(rows[:2000, 0])[:7])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "(40000, 2) b'1.0\\n1.0'\n"


def test_only_for_batch_transform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAGEMAKER_BATCH")
    tables._arrow.cache_clear()
    assert (tables.numbers(b"1,2"), tables.lines(np.zeros(5000))) == (None, None)
    tables._arrow.cache_clear()
