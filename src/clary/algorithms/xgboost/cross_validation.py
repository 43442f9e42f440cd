"""`_kfold`: one model for each fold, and the mean of their metrics as the last log line."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import xgboost

from clary.algorithms.spec import Array

Boost = Callable[[Any, Any], Any]


def train(values: Mapping[str, Any], train: Any, validation: Any, boost: Boost) -> list[Any]:
    """All models, `_kfold` times `_num_cv_round`. Rows of the validation channel take part in the folds."""
    matrices = [train] if validation is None else [train, validation]
    rows, labels = _rows(matrices)
    boosters, scores = [], []
    for repeat in range(values.get("_num_cv_round", 1)):
        for chosen in folds(labels, values["_kfold"], values.get("seed", 0) + repeat, _is_classes(values)):
            rest = np.setdiff1d(np.arange(len(labels)), chosen)
            parts = [_part(rows, labels, rest), _part(rows, labels, chosen)]
            boosters.append(boost(*parts))
            scores.append(boosters[-1].eval_set(list(zip(parts, ("train", "validation"), strict=True))))
    print(_mean_line(values["num_round"], scores), flush=True)
    return boosters


def folds(labels: Array, count: int, seed: int, stratified: bool) -> Iterator[Array]:
    """Row numbers of each fold, shuffled; with `stratified` every fold has about the same share of each label."""
    order = np.random.default_rng(seed).permutation(len(labels))
    if stratified:
        order = order[np.argsort(labels[order], kind="stable")]
    for number in range(count):
        yield np.sort(order[number::count])


def _is_classes(values: Mapping[str, Any]) -> bool:
    return str(values.get("objective", "")).startswith(("binary:", "multi:"))


def _rows(matrices: list[Any]) -> tuple[Any, Array]:
    from scipy.sparse import vstack

    return vstack([matrix.get_data() for matrix in matrices]).tocsr(), np.concatenate([m.get_label() for m in matrices])


def _part(rows: Any, labels: Array, chosen: Array) -> Any:
    return xgboost.DMatrix(rows[chosen], label=labels[chosen])


def _mean_line(rounds: int, lines: list[str]) -> str:
    """The mean over `[n]\\ttrain-rmse:1.0\\tvalidation-rmse:1.2` lines, in the log's form."""
    found: dict[str, list[float]] = {}
    for line in lines:
        for score in line.split("\t")[1:]:
            name, _, value = score.rpartition(":")
            found.setdefault(name, []).append(float(value))
    means = [f"{name}:{np.mean(numbers):.5f}" for name, numbers in found.items()]
    return "#011".join([f"[{rounds}]", *means])
