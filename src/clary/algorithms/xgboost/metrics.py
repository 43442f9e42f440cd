"""Evaluation metrics that AWS adds to XGBoost's own, on labels and predictions."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from clary.algorithms.spec import Array

Evaluation = Callable[[Array, Any], list[tuple[str, float]]]


def split(wanted: Sequence[str]) -> tuple[list[str], list[str]]:
    """`(XGBoost's own, ours)` of the metrics asked for."""
    ours = [name for name in wanted if name in CUSTOM]
    return [name for name in wanted if name not in CUSTOM], ours


def evaluation(names: Sequence[str]) -> Evaluation:
    """A function for `xgboost.train(custom_metric=...)`; it gets predictions after the objective's transformation."""

    def evaluate(predicted: Array, matrix: Any) -> list[tuple[str, float]]:
        labels = matrix.get_label()
        return [(name, float(CUSTOM[name](labels, predicted))) for name in names]

    return evaluate


def classes(predicted: Array) -> Array:
    """Predictions as class numbers: the likeliest column, or more than one half, or the class itself."""
    if predicted.ndim == 2 and predicted.shape[1] > 1:
        return predicted.argmax(axis=1)
    flat = predicted.reshape(-1)
    return (flat > 0.5).astype(int) if flat.size and flat.max() <= 1 else flat.round().astype(int)


def _counts(labels: Array, predicted: Array) -> tuple[Array, Array, Array]:
    """`(hits, predicted, actual)` of each class that occurs."""
    truth, guess = labels.astype(int), classes(predicted)
    present = np.union1d(truth, guess)
    hits = np.array([np.sum((truth == name) & (guess == name)) for name in present], float)
    return (
        hits,
        np.array([np.sum(guess == name) for name in present]),
        np.array([np.sum(truth == name) for name in present]),
    )


def _ratio(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.zeros_like(part, dtype=float), where=whole > 0)


def _accuracy(labels: Array, predicted: Array) -> float:
    return float(np.mean(labels.astype(int) == classes(predicted)))


def _balanced_accuracy(labels: Array, predicted: Array) -> float:
    hits, _, actual = _counts(labels, predicted)
    return float(np.mean(_ratio(hits, actual)[actual > 0]))


def _precision(labels: Array, predicted: Array) -> float:
    hits, guessed, _ = _counts(labels, predicted)
    return float(np.mean(_ratio(hits, guessed)))


def _recall(labels: Array, predicted: Array) -> float:
    hits, _, actual = _counts(labels, predicted)
    return float(np.mean(_ratio(hits, actual)))


def _f1(labels: Array, predicted: Array) -> float:
    hits, guessed, actual = _counts(labels, predicted)
    return float(np.mean(_ratio(2 * hits, guessed + actual)))


def _of_positives(metric: str) -> Callable[[Array, Array], float]:
    def measure(labels: Array, predicted: Array) -> float:
        truth, guess = labels.astype(int) == 1, classes(predicted) == 1
        hits = float(np.sum(truth & guess))
        whole = {"precision": np.sum(guess), "recall": np.sum(truth), "f1": (np.sum(guess) + np.sum(truth)) / 2}[metric]
        return hits / float(whole) if whole else 0.0

    return measure


def _mse(labels: Array, predicted: Array) -> float:
    return float(np.mean((labels - predicted.reshape(-1)) ** 2))


def _r2(labels: Array, predicted: Array) -> float:
    spread = float(np.sum((labels - labels.mean()) ** 2))
    return 1 - float(np.sum((labels - predicted.reshape(-1)) ** 2)) / spread if spread else 0.0


CUSTOM: dict[str, Callable[[Array, Array], float]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1": _f1,
    "f1_binary": _of_positives("f1"),
    "f1_macro": _f1,
    "mse": _mse,
    "precision": _of_positives("precision"),
    "precision_macro": _precision,
    # Over all rows of a single-label problem, precision, recall and accuracy are one number.
    "precision_micro": _accuracy,
    "r2": _r2,
    "recall": _of_positives("recall"),
    "recall_macro": _recall,
    "recall_micro": _accuracy,
}
