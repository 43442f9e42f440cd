import numpy as np
import pytest
from sklearn import metrics as oracle

from clary.algorithms.xgboost import metrics

LABELS = np.array([0, 1, 1, 0, 1, 0, 1, 1], float)
SCORES = np.array([0.1, 0.9, 0.4, 0.6, 0.7, 0.2, 0.8, 0.3])
MANY = np.array([0, 1, 2, 2, 1, 0, 2, 1], float)
TABLE = np.random.default_rng(3).random((8, 3))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", oracle.accuracy_score(LABELS, SCORES > 0.5)),
        ("balanced_accuracy", oracle.balanced_accuracy_score(LABELS, SCORES > 0.5)),
        ("f1", oracle.f1_score(LABELS, SCORES > 0.5, average="macro")),
        ("f1_binary", oracle.f1_score(LABELS, SCORES > 0.5)),
        ("f1_macro", oracle.f1_score(LABELS, SCORES > 0.5, average="macro")),
        ("precision", oracle.precision_score(LABELS, SCORES > 0.5)),
        ("recall", oracle.recall_score(LABELS, SCORES > 0.5)),
        ("mse", oracle.mean_squared_error(LABELS, SCORES)),
        ("r2", oracle.r2_score(LABELS, SCORES)),
    ],
)
def test_two_classes(name: str, expected: float) -> None:
    assert metrics.CUSTOM[name](LABELS, SCORES) == pytest.approx(expected)


@pytest.mark.parametrize("average", ["macro", "micro"])
@pytest.mark.parametrize("name", ["precision", "recall"])
@pytest.mark.parametrize("form", ["scores", "classes"])
def test_three_classes(name: str, average: str, form: str) -> None:
    chosen = TABLE.argmax(axis=1)
    expected = getattr(oracle, f"{name}_score")(MANY, chosen, average=average, zero_division=0)
    given = TABLE if form == "scores" else chosen.astype(float)
    assert metrics.CUSTOM[f"{name}_{average}"](MANY, given) == pytest.approx(expected)
