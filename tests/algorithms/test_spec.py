"""Hyperparameters and channels of XGBoost as the control plane checks them."""

import pytest

from clary.algorithms import BY_REPOSITORY
from clary.algorithms.spec import Range, UserError
from clary.algorithms.xgboost.spec import SPEC


def test_values_are_parsed() -> None:
    given = {
        "num_round": "10",
        "eta": "0.2",
        "objective": "multi:softprob",
        "num_class": "3",
        "eval_metric": "merror, mlogloss",
        "tree_method": "hist",
        "monotone_constraints": "(1, 0,-1)",
        "interaction_constraints": "[[1,2],[3,4]]",
        "_tuning_objective_metric": "validation:merror",
    }
    assert SPEC.validate(given) == {
        "num_round": 10,
        "eta": 0.2,
        "objective": "multi:softprob",
        "num_class": 3,
        "eval_metric": ["merror", "mlogloss"],
        "tree_method": "hist",
        "monotone_constraints": (1, 0, -1),
        "interaction_constraints": [[1, 2], [3, 4]],
        "_tuning_objective_metric": "validation:merror",
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "Missing required hyperparameter: num_round"),
        ({"num_round": "0"}, "Hyperparameter num_round: value 0 is not in range [1, inf]"),
        ({"num_round": "ten"}, "Hyperparameter num_round: could not parse value 'ten' as integer"),
        ({"num_round": "5", "speed": "1"}, "Extraneous hyperparameter found: speed"),
        ({"num_round": "5", "eta": "1.5"}, "Hyperparameter eta: value 1.5 is not in range [0, 1]"),
        ({"num_round": "5", "eta": "nan"}, "Hyperparameter eta: value nan is not in range [0, 1]"),
        ({"num_round": "5", "subsample": "0"}, "Hyperparameter subsample: value 0.0 is not in range (0, 1]"),
        (
            {"num_round": "5", "booster": "tree"},
            "Hyperparameter booster: value 'tree' is not one of ['gbtree', 'gblinear', 'dart']",
        ),
        (
            {"num_round": "5", "objective": "multi:softmax"},
            "Require input for parameter 'num_class' for multi-classification",
        ),
        (
            {"num_round": "5", "eval_metric": "rmse,nice"},
            "Hyperparameter eval_metric: value 'nice' is not a supported metric",
        ),
        (
            {"num_round": "5", "eval_metric": "error@x"},
            "Hyperparameter eval_metric: value 'error@x' is not a supported metric",
        ),
        (
            {"num_round": "5", "eval_metric": "auc"},
            "Metric 'auc' can only be applied for classification and ranking problems.",
        ),
        (
            {"num_round": "5", "monotone_constraints": "(1,0)"},
            "monotone_constraints needs tree_method 'exact' or 'hist'",
        ),
        (
            {"num_round": "5", "updater": "grow_colmaker,grow_skmaker"},
            "Only one tree grow updater can be selected, not grow_colmaker, grow_skmaker",
        ),
    ],
)
def test_wrong_values_are_named(given: dict[str, str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        SPEC.validate(given)
    assert str(caught.value) == message


def test_channels() -> None:
    SPEC.check_channels({"train": {"ContentType": "text/csv;label_size=1"}, "other": {}})
    with pytest.raises(UserError, match="Missing required channel: train"):
        SPEC.check_channels({"validation": {}})
    with pytest.raises(UserError, match="image/png is not an accepted ContentType of channel train"):
        SPEC.check_channels({"train": {"ContentType": "image/png"}})
    for mode in ("File", "FastFile", "Pipe"):
        SPEC.check_channels({"train": {"TrainingInputMode": mode}})
    with pytest.raises(UserError, match="Stream is not an accepted InputMode of channel validation"):
        SPEC.check_channels({"train": {}, "validation": {"TrainingInputMode": "Stream"}})


@pytest.mark.parametrize(
    ("value", "inside"), [(0.0, False), (0.5, True), (1.0, True), (1.1, False), (float("nan"), False)]
)
def test_ranges(value: float, inside: bool) -> None:
    assert Range(0, 1, open_low=True).holds(value) is inside


def test_metrics_name_their_direction() -> None:
    found = {metric.name: metric.maximise for metric in SPEC.metrics}
    assert found["validation:rmse"] is False
    assert found["train:auc"] is True


def test_images_of_both_ages_are_this_algorithm() -> None:
    assert BY_REPOSITORY["xgboost"] is BY_REPOSITORY["sagemaker-xgboost"] is SPEC
