"""Predictions in algorithm mode: the four handler functions the model server calls, inside the sandbox.

`output_fn` returns `(body, content type)`. Errors carry the HTTP status in `status`.
"""

import json
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from clary.algorithms import recordio, tables
from clary.algorithms.spec import Array, UserError, bare
from clary.algorithms.xgboost import data
from clary.algorithms.xgboost.inplace import Inplace
from clary.algorithms.xgboost.model import load

VOTED = ("binary:hinge", "multi:softmax")
"""Objectives whose prediction is a class: an ensemble takes the commonest."""


class BadContent(UserError):
    """The body is not of a type, or in a form, that can be read."""

    status = 415


class BadAccept(UserError):
    status = 406


class BadRequest(UserError):
    """The model refuses the rows, such as a wrong number of columns."""

    status = 400


class Booster:
    """One of an artefact, with its trees up to the best round, where training noted one."""

    def __init__(self, booster: Any, is_linear: bool) -> None:
        self._booster = booster
        self._is_linear = is_linear
        best = booster.attr("best_iteration")
        self._end = int(best) + 1 if best else 0
        self._inplace = Inplace(booster, self._end)

    def predict(self, rows: Any) -> Array:
        is_matrix = isinstance(rows, xgboost.DMatrix)
        if not (is_matrix or self._is_linear):
            # No matrix is built: ten times less time for a single row.
            return self._inplace.predict(rows)
        matrix = rows if is_matrix else xgboost.DMatrix(rows)
        found: Array = self._booster.predict(matrix, iteration_range=(0, self._end), validate_features=False)
        return found


class Ensemble:
    """The boosters of one artefact. `objective` is that of the first."""

    def __init__(self, boosters: list[Any]) -> None:
        self.boosters = boosters
        self.features = boosters[0].num_features()
        learner = json.loads(boosters[0].save_config())["learner"]
        self.objective: str = learner["objective"]["name"]
        is_linear = learner["gradient_booster"]["name"] == "gblinear"
        self._members = [Booster(booster, is_linear) for booster in boosters]

    def predict(self, rows: Any) -> Array:
        answers = [member.predict(rows) for member in self._members]
        if len(answers) == 1:
            return answers[0]
        if self.objective in VOTED:
            return np.apply_along_axis(_commonest, 0, np.stack(answers))
        mean: Array = np.mean(answers, axis=0)
        return mean


def model_fn(model_dir: str) -> Ensemble:
    """Read `model_dir`; several models are an ensemble unless `SAGEMAKER_INFERENCE_ENSEMBLE` is false."""
    boosters = load(Path(model_dir))
    together = os.environ.get("SAGEMAKER_INFERENCE_ENSEMBLE", "true").lower() != "false"
    return Ensemble(boosters if together else boosters[:1])


def input_fn(body: bytes, content_type: str) -> Any:
    """The rows of a request. Raises `BadContent`."""
    form = data.FORMATS.get(bare(content_type or "text/csv"))
    try:
        if form == "csv":
            return _csv(body)
        if form == "libsvm":
            return _libsvm(body)
        if form == "recordio":
            return data.features(list(recordio.read(body)))
    except (ValueError, UserError, UnicodeDecodeError) as error:
        raise BadContent(
            f"Loading {form} data failed with Exception, please ensure data is in {form} format: {error}"
        ) from error
    raise BadContent(f"Content-type {content_type} is not supported.")


def _csv(body: bytes) -> Array:
    text = body.decode()
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise BadContent("the request has no rows")
    mark = "," if "," in lines[0] else data.delimiter(lines[0])
    rows = [line.split(mark) for line in lines]
    try:
        return np.array(rows, dtype=np.float32)
    except ValueError:
        return np.array([[word or "nan" for word in row] for row in rows], dtype=np.float32)


def _libsvm(body: bytes) -> Any:
    """`[label] index:value ...` lines; a label is ignored."""
    from scipy.sparse import csr_matrix

    values: list[float] = []
    columns: list[int] = []
    starts = [0]
    for line in body.decode().splitlines():
        for word in line.split():
            index, colon, value = word.partition(":")
            if colon and index.isdigit():
                columns.append(int(index))
                values.append(float(value))
        starts.append(len(values))
    width = max(columns, default=0) + 1
    return csr_matrix((np.array(values, np.float32), columns, starts), shape=(len(starts) - 1, width))


def predict_fn(rows: Any, model: Ensemble) -> Array:
    """One prediction a row. Raises `BadRequest`."""
    try:
        return model.predict(_fitted(rows, model.features))
    except (ValueError, xgboost.core.XGBoostError) as error:
        raise BadRequest(
            f"Unable to evaluate payload provided: {str(error).partition('Stack trace')[0].strip()}"
        ) from error


def _fitted(rows: Any, width: int) -> Any:
    """Sparse rows show only as many columns as they use: widen them to the model."""
    if isinstance(rows, np.ndarray):
        return rows
    if rows.shape[1] > width:
        # Data written with indexes from 1: column 0 is empty.
        rows = rows[:, 1:] if rows.shape[1] == width + 1 and rows[:, 0].nnz == 0 else rows
    if rows.shape[1] < width:
        rows.resize(rows.shape[0], width)
    return xgboost.DMatrix(rows)


def output_fn(predicted: Array, accept: str) -> tuple[bytes, str]:
    """The answer in the form asked for; csv when anything will do. Raises `BadAccept`."""
    writer, wanted = form(accept)
    return writer(predicted), wanted


def form(accept: str) -> tuple[Callable[[Array], bytes], str]:
    """What `output_fn` writes answers with, and their type; a model server asks once. Raises `BadAccept`."""
    wanted = bare(accept or "text/csv")
    if wanted in ("*/*", "text/*", "csv"):
        wanted = "text/csv"
    if selected := os.environ.get("SAGEMAKER_INFERENCE_OUTPUT"):
        return partial(_selected, [name.strip() for name in selected.split(",")], wanted), wanted
    writer = _WRITERS.get(wanted)
    if writer is None:
        raise BadAccept(f"Accept type {accept} is not supported")
    return writer, wanted


def _write_csv(predicted: Array) -> bytes:
    if (lines := tables.lines(predicted)) is not None:
        return lines
    rows = predicted.tolist()
    # In batch, and for several classes, a row is a line; else all scores stand on one line.
    if predicted.ndim == 2:
        return "\n".join(",".join(map(str, row)) for row in rows).encode()
    return ("\n" if os.environ.get("SAGEMAKER_BATCH", "").lower() == "true" else ",").join(map(str, rows)).encode()


def _write_json(predicted: Array) -> bytes:
    return json.dumps({"predictions": [{"score": score} for score in predicted.tolist()]}).encode()


def _write_lines(predicted: Array) -> bytes:
    return b"".join(json.dumps({"score": score}).encode() + b"\n" for score in predicted.tolist())


def _write_recordio(predicted: Array) -> bytes:
    return recordio.write_labels([{"score": np.asarray(score)} for score in predicted])


_WRITERS = {
    "text/csv": _write_csv,
    "application/json": _write_json,
    "application/jsonlines": _write_lines,
    "application/x-recordio-protobuf": _write_recordio,
}


def _selected(names: list[str], wanted: str, predicted: Array) -> bytes:
    """`SAGEMAKER_INFERENCE_OUTPUT`: the named facts of each prediction."""
    rows = [{name: fact for name, fact in _facts(score).items() if name in names} for score in predicted.tolist()]
    if wanted == "text/csv":
        return "\n".join(",".join(_cell(row[name]) for name in names if name in row) for row in rows).encode()
    if wanted == "application/json":
        return json.dumps({"predictions": rows}).encode()
    if wanted == "application/jsonlines":
        return b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    raise BadAccept(f"Accept type {wanted} is not supported with SAGEMAKER_INFERENCE_OUTPUT")


def _facts(score: Any) -> Mapping[str, Any]:
    """What can be selected for one prediction of a classifier."""
    scores = score if isinstance(score, list) else [1 - score, score]
    label = int(np.argmax(scores)) if isinstance(score, list) else int(score > 0.5)
    return {
        "predicted_label": label,
        "labels": list(range(len(scores))),
        "probability": scores[label],
        "probabilities": scores,
        "raw_score": score,
        "raw_scores": scores,
        "predicted_score": score,
    }


def _cell(value: Any) -> str:
    return json.dumps(json.dumps(value)) if isinstance(value, list) else str(value)


def _commonest(column: Array) -> float:
    found, counts = np.unique(column, return_counts=True)
    return float(found[counts.argmax()])
