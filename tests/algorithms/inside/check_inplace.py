"""Predictions by way of the C interface are those of the public method, to the bit."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import xgboost

from clary.algorithms.xgboost.inplace import Inplace

WIDTH = 7
TABLE = np.random.default_rng(0).normal(size=(200, WIDTH)).astype(np.float32)
LABELS = np.abs(TABLE @ np.arange(1, WIDTH + 1))
KINDS: dict[str, dict[str, Any]] = {
    "regression": {},
    "binary": {"objective": "binary:logistic"},
    "counts": {"objective": "count:poisson"},
    "classes": {"objective": "multi:softmax", "num_class": 3},
    "probabilities": {"objective": "multi:softprob", "num_class": 3},
    "dart": {"booster": "dart", "rate_drop": 0.5},
    "ranks": {"objective": "rank:ndcg"},
}


def trained(kind: str) -> Any:
    labels = (LABELS % 3 if "num_class" in KINDS[kind] else LABELS > 3).astype(int)
    return xgboost.train({"max_depth": 3, "nthread": 1, **KINDS[kind]}, xgboost.DMatrix(TABLE, labels), 9)


def tables(seed: int) -> list[Any]:
    """Of all heights, with gaps and what is no finite number."""
    chance = np.random.default_rng(seed)
    made = []
    for height in (1, 2, 63, 64, 65, 300, 1):
        rows = chance.normal(size=(height, WIDTH)).astype(np.float32)
        rows[chance.random(rows.shape) < 0.1] = np.nan
        rows[chance.random(rows.shape) < 0.01] = 1e38
        made.append(rows)
    return [*made, made[2][::2], made[3].astype(np.float64), np.asfortranarray(made[4])]


def same(found: Any, expected: Any) -> bool:
    return (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", [0, 4])
def test_as_the_public_method(kind: str, end: int) -> None:
    booster = trained(kind)
    ours = Inplace(booster, end)
    for rows in tables(end):
        expected = booster.inplace_predict(rows, iteration_range=(0, end), validate_features=False)
        assert same(ours.predict(rows), expected)


@pytest.mark.parametrize(
    "rows", [TABLE[:1, :-1], np.hstack([TABLE, TABLE]), np.full((2, WIDTH), np.inf, np.float32), TABLE[:0]]
)
def test_errors_are_those_of_the_public_method(rows: Any) -> None:
    booster = trained("binary")

    def outcome(predict: Any) -> Any:
        try:
            return predict(rows).tolist()
        except xgboost.core.XGBoostError as error:
            return str(error).partition("Stack trace")[0].partition("] ")[2]

    assert outcome(Inplace(booster, 0).predict) == outcome(
        lambda given: booster.inplace_predict(given, validate_features=False)
    )


def test_from_several_threads_at_once() -> None:
    boosters = [trained("binary"), trained("probabilities")]
    ours = [Inplace(booster, 0) for booster in boosters]
    work = [(number % 2, rows) for number in range(40) for rows in tables(number)]
    expected = [boosters[number].inplace_predict(rows, validate_features=False) for number, rows in work]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda each: ours[each[0]].predict(each[1]), work))
    assert all(map(same, found, expected))
