"""Training in algorithm mode, inside the sandbox: `main` is the container's whole program."""

import json
import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from clary.algorithms.spec import UserError
from clary.algorithms.xgboost import cluster, cross_validation, data, metrics, piped
from clary.algorithms.xgboost.checkpoints import Rounds, latest, save
from clary.algorithms.xgboost.spec import SPEC

MODEL = "xgboost-model"
USER_ERROR, ALGORITHM_ERROR = 2, 1
OURS = frozenset(
    {
        *("num_round", "csv_weights", "early_stopping_rounds", "eval_metric", "_kfold", "_num_cv_round"),
        *("_tuning_objective_metric", "save_model_on_termination", "use_dask_gpu_training"),
        # Known to AWS's older versions and gone from the library.
        *("dsplit", "predictor", "sketch_eps", "deterministic_histogram", "single_precision_histogram"),
    }
)
"""Hyperparameters that are not handed to the library."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to train: parsed hyperparameters, data, and where results go."""

    values: Mapping[str, Any]
    train: Any
    validation: Any
    model_dir: Path
    checkpoint_dir: Path | None

    @property
    def parameters(self) -> dict[str, Any]:
        """For the library."""
        given = {name: _plain(name, value) for name, value in self.values.items() if name not in OURS}
        own, _ = metrics.split(self.evaluated)
        return given | ({"eval_metric": own} if own else {"disable_default_eval_metric": int(bool(self.evaluated))})

    @property
    def evaluated(self) -> list[str]:
        """The metrics asked for; the tuned one is always among them."""
        wanted = list(self.values.get("eval_metric", []))
        tuned = str(self.values.get("_tuning_objective_metric", "")).rpartition(":")[2]
        return wanted if not tuned or tuned in wanted else [*wanted, tuned]


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Train as the files under `/opt/ml` say. Exit code 2 says that the caller can mend it."""
    base = Path(environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    try:
        run(base, int(environ.get("DMLC_TRACKER_PORT", cluster.TRACKER_PORT)))
    except UserError as error:
        print(f"[ERROR] {error}", file=sys.stderr)
        _fail(base, str(error))
        return USER_ERROR
    except Exception as error:
        traceback.print_exc()
        _fail(base, f"{type(error).__name__}: {error}")
        return ALGORITHM_ERROR
    return 0


def run(base: Path, tracker_port: int = cluster.TRACKER_PORT) -> None:
    values = SPEC.validate(_config(base, "hyperparameters"))
    channels = _config(base, "inputdataconfig")
    SPEC.check_channels(channels)
    resources = _config(base, "resourceconfig")
    hosts = resources.get("hosts", ["algo-1"])
    with cluster.joined(hosts, resources.get("current_host", hosts[0]), tracker_port):
        train(read(base, values, channels, len(hosts)))


def read(base: Path, values: Mapping[str, Any], channels: Mapping[str, Any], hosts: int = 1) -> Plan:
    """Load both channels; on several hosts a host may be without data."""

    def channel(name: str) -> Any:
        if name not in channels:
            return None
        form = data.format_of(channels[name].get("ContentType") or channels["train"].get("ContentType"))
        folder, weighted = base / "input/data" / name, bool(values.get("csv_weights"))
        if channels[name].get("TrainingInputMode") == "Pipe":
            with piped.files(folder, form) as paths:
                found = data.matrix_of(paths, form, weighted)
        else:
            found = data.matrix(folder, form, weighted)
        if found is None and hosts == 1:
            raise UserError(f"No data in {name} channel path {folder}")
        return found

    matrices = {name: _even(channel(name)) if name in channels else None for name in ("train", "validation")}
    checkpoints = _config(base, "checkpointconfig").get("LocalPath")
    return Plan(values, matrices["train"], matrices["validation"], base / "model", checkpoints and Path(checkpoints))


def _even(matrix: Any) -> Any:
    """On several hosts, all have a matrix of the same width."""
    width = cluster.widest(matrix.num_col() if matrix is not None else 0)
    if not width:
        raise UserError("No host has data in the train channel")
    return xgboost.DMatrix(np.empty((0, width), np.float32), label=np.empty(0)) if matrix is None else matrix


def train(plan: Plan) -> None:
    """Train and save `xgboost-model`, or one model for each fold."""
    plan.model_dir.mkdir(parents=True, exist_ok=True)
    print(f"[INFO] Train matrix has {plan.train.num_row()} rows and {plan.train.num_col()} columns")
    if plan.validation is not None:
        print(f"[INFO] Validation matrix has {plan.validation.num_row()} rows")
    if "_kfold" in plan.values:
        boosters = cross_validation.train(plan.values, plan.train, plan.validation, _booster_of(plan))
        for number, booster in enumerate(boosters):
            save(booster, plan.model_dir / f"{MODEL}-{number}")
        return
    booster = boost(plan, plan.train, plan.validation, plan.checkpoint_dir)
    if xgboost.collective.get_rank() == 0:
        save(booster, plan.model_dir / MODEL)


def _booster_of(plan: Plan) -> cross_validation.Boost:
    return lambda train, validation: boost(plan, train, validation, None)


def boost(plan: Plan, train: Any, validation: Any, checkpoint_dir: Path | None) -> Any:
    """One training run, resumed from its newest checkpoint."""
    checkpoint, done = latest(checkpoint_dir)
    if checkpoint:
        print(f"[INFO] Resuming from iteration {done}")
    rounds = Rounds(done, checkpoint_dir)
    rounds.stop_on_termination(plan.values.get("save_model_on_termination") == "true")
    _, ours = metrics.split(plan.evaluated)
    evals = [(train, "train")] + ([(validation, "validation")] if validation is not None else [])
    try:
        return xgboost.train(
            plan.parameters,
            train,
            num_boost_round=max(0, plan.values["num_round"] - done),
            evals=evals,
            custom_metric=metrics.evaluation(ours) if ours else None,
            callbacks=[rounds, *_early_stopping(plan, validation)],
            xgb_model=str(checkpoint) if checkpoint else None,
            verbose_eval=False,
        )
    except (xgboost.core.XGBoostError, ValueError) as error:
        # The library refuses what only the data can tell: labels out of range, groups missing.
        raise UserError(f"XGB train call failed with exception:\n{_cause(error)}") from error


def _early_stopping(plan: Plan, validation: Any) -> list[Any]:
    patience = plan.values.get("early_stopping_rounds")
    if patience is None:
        return []
    if validation is None:
        raise UserError("early_stopping_rounds needs a validation channel")
    own, ours = metrics.split(plan.evaluated)
    watched = next(iter([*ours[::-1], *own[::-1]]), None)
    maximise = None if watched is None else SPEC_DIRECTIONS.get(watched.partition("@")[0])
    return [
        xgboost.callback.EarlyStopping(
            patience,
            metric_name=watched,
            data_name="validation",
            maximize=maximise,
            # A linear booster cannot be cut back to its best round.
            save_best=plan.values.get("booster") != "gblinear",
        )
    ]


SPEC_DIRECTIONS = {metric.name.rpartition(":")[2]: metric.maximise for metric in SPEC.metrics}


def _plain(name: str, value: Any) -> Any:
    if name == "updater":
        return ",".join(value)
    if name == "interaction_constraints":
        return json.dumps(value)
    if name in ("monotone_constraints",):
        return str(value)
    if name == "tree_method" and value == "gpu_hist":
        return "hist"
    return value


def _cause(error: Exception) -> str:
    """The library's message without its C++ stack."""
    return str(error).partition("Stack trace:")[0].strip()


def _config(base: Path, name: str) -> dict[str, Any]:
    file = base / "input/config" / f"{name}.json"
    content: dict[str, Any] = json.loads(file.read_bytes()) if file.exists() else {}
    return content


def _fail(base: Path, text: str) -> None:
    output = base / "output"
    output.mkdir(parents=True, exist_ok=True)
    (output / "failure").write_text(text)
