"""XGBoost's channels, hyperparameters and metrics, as AWS documents them."""

from collections.abc import Mapping
from typing import Any

from clary.algorithms.spec import Algorithm, Channel, Hyperparameter, Kind, Metric, Range, UserError

CONTENT_TYPES = (
    *("text/libsvm", "libsvm", "text/x-libsvm", "csv", "text/csv", "parquet", "application/x-parquet"),
    *("recordio-protobuf", "application/x-recordio-protobuf"),
)
MAXIMISE = (
    *("accuracy", "auc", "aucpr", "balanced_accuracy", "f1", "f1_binary", "f1_macro", "map", "ndcg", "precision", "r2"),
    *("recall", "precision_macro", "precision_micro", "recall_macro", "recall_micro"),
)
MINIMISE = (
    *("aft-nloglik", "cox-nloglik", "error", "gamma-deviance", "gamma-nloglik", "logloss", "mae", "mape", "merror"),
    *("mlogloss", "mphe", "mse", "poisson-nloglik", "rmse", "rmsle", "tweedie-nloglik"),
)
OBJECTIVES = (
    *("binary:hinge", "binary:logistic", "binary:logitraw", "count:poisson", "multi:softmax", "multi:softprob"),
    *("rank:map", "rank:ndcg", "rank:pairwise", "reg:absoluteerror", "reg:gamma", "reg:linear", "reg:logistic"),
    *("reg:pseudohubererror", "reg:squarederror", "reg:squaredlogerror", "reg:tweedie", "survival:aft", "survival:cox"),
)
UPDATERS = (
    *("grow_colmaker", "distcol", "grow_histmaker", "grow_local_histmaker", "grow_quantile_histmaker", "grow_skmaker"),
    *("sync", "refresh", "prune", "shotgun", "coord_descent"),
)
THRESHOLDED = ("error", "map", "ndcg")
"""Metrics that take a number after `@`; ranking ones also a trailing `-`."""


def _int(name: str, default: str, low: int | None = None, high: int | None = None, tune: Range | None = None) -> Any:
    return Hyperparameter(name, "integer", default, within=Range(low, high), tune=tune)


def _number(name: str, default: str, within: Range, tune: Range | None = None) -> Any:
    return Hyperparameter(name, "continuous", default, within=within, tune=tune)


def _choice(name: str, default: str, *choices: str, kind: Kind = "categorical") -> Any:
    return Hyperparameter(name, kind, default, choices=choices)


SHARE = Range(0, 1, open_low=True)
UNIT = Range(0, 1)
POSITIVE = Range(0)

HYPERPARAMETERS = (
    Hyperparameter("num_round", "integer", required=True, within=Range(1), tune=Range(1, 4000)),
    _int("num_class", "", 2),
    _number("alpha", "0", POSITIVE, Range(0, 1000)),
    _number("base_score", "0.5", Range()),
    _choice("booster", "gbtree", "gbtree", "gblinear", "dart"),
    _number("colsample_bylevel", "1", SHARE, Range(0.1, 1)),
    _number("colsample_bynode", "1", SHARE, Range(0.1, 1)),
    _number("colsample_bytree", "1", SHARE, Range(0.5, 1)),
    _int("csv_weights", "0", 0, 1),
    _choice("deterministic_histogram", "true", "true", "false"),
    _choice("dsplit", "row", "row", "col"),
    _int("early_stopping_rounds", "", 1),
    _number("eta", "0.3", UNIT, Range(0.1, 0.5)),
    Hyperparameter("eval_metric", "list", "by objective"),
    _number("gamma", "0", POSITIVE, Range(0, 5)),
    _choice("grow_policy", "depthwise", "depthwise", "lossguide"),
    Hyperparameter("interaction_constraints", "nested"),
    _number("lambda", "1", POSITIVE, Range(0, 1000)),
    _number("lambda_bias", "0", UNIT),
    _int("max_bin", "256", 0),
    _number("max_delta_step", "0", POSITIVE, Range(0, 10)),
    _int("max_depth", "6", 0, tune=Range(0, 10)),
    _int("max_leaves", "0", 0),
    _number("min_child_weight", "1", POSITIVE, Range(0, 120)),
    _choice("monotone_constraints", "", "-1", "0", "1", kind="tuple"),
    _choice("normalize_type", "tree", "tree", "forest"),
    _int("nthread", "all", 1),
    _int("num_parallel_tree", "1", 1),
    _choice("objective", "reg:squarederror", *OBJECTIVES),
    _int("one_drop", "0", 0, 1),
    _choice("predictor", "auto", "auto", "cpu_predictor", "gpu_predictor"),
    _choice("process_type", "default", "default", "update"),
    _number("rate_drop", "0.0", UNIT),
    _int("refresh_leaf", "1", 0, 1),
    _choice("sample_type", "uniform", "uniform", "weighted"),
    _number("scale_pos_weight", "1", Range(0, open_low=True)),
    _int("seed", "0", -(2**31), 2**31 - 1),
    _choice("sampling_method", "uniform", "uniform", "gradient_based"),
    _choice("single_precision_histogram", "false", "true", "false"),
    _number("sketch_eps", "0.03", Range(0, 1, open_low=True, open_high=True)),
    _number("skip_drop", "0.0", UNIT),
    _number("subsample", "1", SHARE, Range(0.5, 1)),
    _choice("tree_method", "auto", "auto", "exact", "approx", "hist", "gpu_hist"),
    _number("tweedie_variance_power", "1.5", Range(1, 2, open_low=True, open_high=True)),
    _choice("updater", "by tree_method", *UPDATERS, kind="list"),
    _int("verbosity", "1", 0, 3),
    _choice("aft_loss_distribution", "normal", "normal", "logistic", "extreme"),
    _number("aft_loss_distribution_scale", "1", Range(0, open_low=True)),
    _number("huber_slope", "1", Range(0, open_low=True)),
    _int("_kfold", "", 2),
    _int("_num_cv_round", "1", 1),
    Hyperparameter("_tuning_objective_metric", "categorical"),
    _choice("save_model_on_termination", "false", "true", "false"),
    _choice("use_dask_gpu_training", "false", "true", "false"),
)


def _metrics() -> tuple[Metric, ...]:
    return tuple(
        Metric(f"{split}:{name}", rf".*\[[0-9]+\].*#011{split}-{name}:([-+.0-9a-z]+)", name in MAXIMISE)
        for split in ("train", "validation")
        for name in (*MAXIMISE, *MINIMISE)
    )


def _check_objective(values: Mapping[str, Any]) -> None:
    objective = values.get("objective")
    if objective in ("multi:softmax", "multi:softprob") and "num_class" not in values:
        raise UserError("Require input for parameter 'num_class' for multi-classification")
    if objective is None and "num_class" in values:
        raise UserError("num_class is only for multi-class objectives, and objective is not one")


def _check_eval_metrics(values: Mapping[str, Any]) -> None:
    objective = values.get("objective", "reg:squarederror")
    for metric in values.get("eval_metric", ()):
        name, at, threshold = metric.partition("@")
        known = name.removesuffix("-") in (*MAXIMISE, *MINIMISE)
        if not known or (at and (name not in THRESHOLDED or not _is_number(threshold.removesuffix("-")))):
            raise UserError(f"Hyperparameter eval_metric: value {metric!r} is not a supported metric")
        if name == "auc" and not objective.startswith(("binary:", "rank:", "multi:")):
            raise UserError("Metric 'auc' can only be applied for classification and ranking problems.")
        if name == "aft-nloglik" and objective != "survival:aft":
            raise UserError("Metric 'aft-nloglik' can only be applied for 'survival:aft' objective.")


def _check_constraints(values: Mapping[str, Any]) -> None:
    method = values.get("tree_method")
    if "monotone_constraints" in values and method not in ("exact", "hist"):
        raise UserError("monotone_constraints needs tree_method 'exact' or 'hist'")
    if "interaction_constraints" in values and method not in ("exact", "hist", "approx"):
        raise UserError("interaction_constraints needs tree_method 'exact', 'hist' or 'approx'")


def _check_updaters(values: Mapping[str, Any]) -> None:
    updaters = values.get("updater", [])
    growers = [name for name in updaters if name.startswith("grow_") or name == "distcol"]
    if values.get("process_type") == "update" and set(updaters) - {"refresh", "prune"}:
        raise UserError("process_type 'update' can only be used with updater 'refresh' and 'prune'")
    if len(growers) > 1:
        raise UserError(f"Only one tree grow updater can be selected, not {', '.join(growers)}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


SPEC = Algorithm(
    name="xgboost",
    training="clary.algorithms.xgboost.start:main",
    serving="clary.algorithms.xgboost.serve",
    channels=(
        Channel("train", CONTENT_TYPES, required=True, modes=("File", "Pipe")),
        Channel("validation", CONTENT_TYPES, modes=("File", "Pipe")),
    ),
    hyperparameters=HYPERPARAMETERS,
    metrics=_metrics(),
    cross_checks=(_check_objective, _check_eval_metrics, _check_constraints, _check_updaters),
)
