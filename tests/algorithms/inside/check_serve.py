"""Handlers on real small models."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from sklearn.datasets import load_breast_cancer, load_iris

from clary.algorithms import recordio
from clary.algorithms.spec import UserError
from clary.algorithms.xgboost import model, serve

CANCER, IRIS = load_breast_cancer(), load_iris()
ROWS = CANCER.data[:3].astype(np.float32)


def booster(labels: Any, rows: Any, **parameters: Any) -> Any:
    return xgboost.train({"max_depth": 3, **parameters}, xgboost.DMatrix(rows, label=labels), 5)


@pytest.fixture(scope="module")
def binary() -> Any:
    return booster(CANCER.target, CANCER.data, objective="binary:logistic")


@pytest.fixture
def folder(tmp_path: Path, binary: Any) -> Path:
    (tmp_path / "xgboost-model").write_bytes(binary.save_raw("ubj"))
    return tmp_path


def expected(binary: Any, rows: Any = ROWS) -> Any:
    return binary.predict(xgboost.DMatrix(rows))


def csv(rows: Any) -> bytes:
    return "\n".join(",".join(f"{value:.9g}" for value in row) for row in rows).encode()


def libsvm(rows: Any, first: int = 0) -> bytes:
    return "\n".join("0 " + " ".join(f"{n + first}:{v:.9g}" for n, v in enumerate(row)) for row in rows).encode()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (csv(ROWS), "text/csv"),
        (csv(ROWS).replace(b",", b";"), "text/csv; charset=utf-8"),
        (libsvm(ROWS), "text/libsvm"),
        (libsvm(ROWS, 1), "text/x-libsvm"),
        (recordio.write(ROWS), "application/x-recordio-protobuf"),
    ],
)
def test_every_input_gives_the_same_predictions(folder: Path, binary: Any, body: bytes, content_type: str) -> None:
    found = serve.predict_fn(serve.input_fn(body, content_type), serve.model_fn(str(folder)))
    assert np.allclose(found, expected(binary), rtol=1e-5)


def test_missing_values(folder: Path, binary: Any) -> None:
    row = ROWS[:1].copy()
    row[0, 3] = np.nan
    body = csv(row).replace(b"nan", b"")
    found = serve.predict_fn(serve.input_fn(body, "text/csv"), serve.model_fn(str(folder)))
    assert np.allclose(found, expected(binary, row))


def test_outputs() -> None:
    scores = np.array([0.5, 0.25], np.float32)
    assert serve.output_fn(scores, "*/*") == (b"0.5,0.25", "text/csv")
    assert serve.output_fn(scores, "application/json") == (
        b'{"predictions": [{"score": 0.5}, {"score": 0.25}]}',
        "application/json",
    )
    assert serve.output_fn(scores, "application/jsonlines") == (
        b'{"score": 0.5}\n{"score": 0.25}\n',
        "application/jsonlines",
    )
    body, _ = serve.output_fn(scores, "application/x-recordio-protobuf")
    assert [entry.label["score"].values.tolist() for entry in recordio.read(body)] == [[0.5], [0.25]]
    with pytest.raises(serve.BadAccept):
        serve.output_fn(scores, "image/png")


def test_outputs_of_several_classes() -> None:
    table = np.array([[0.5, 0.25, 0.25]], np.float32)
    assert serve.output_fn(table, "text/csv")[0] == b"0.5,0.25,0.25"
    assert json.loads(serve.output_fn(table, "application/json")[0]) == {"predictions": [{"score": [0.5, 0.25, 0.25]}]}


def test_batch_writes_a_line_for_each_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_BATCH", "true")
    assert serve.output_fn(np.array([0.5, 0.25]), "text/csv")[0] == b"0.5\n0.25"


def test_selected_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_INFERENCE_OUTPUT", "predicted_label, probabilities")
    body, _ = serve.output_fn(np.array([0.75]), "application/json")
    assert json.loads(body) == {"predictions": [{"predicted_label": 1, "probabilities": [0.25, 0.75]}]}


@pytest.mark.parametrize("body", [b"", b"a,b,c", b"1,2\n3", b"\xff\xfe"])
def test_unreadable_bodies(body: bytes) -> None:
    with pytest.raises(serve.BadContent) as caught:
        serve.input_fn(body, "text/csv")
    assert caught.value.status == 415


def test_an_unknown_content_type() -> None:
    with pytest.raises(serve.BadContent, match="Content-type image/png is not supported"):
        serve.input_fn(b"x", "image/png")


def test_a_wrong_number_of_columns_is_refused(folder: Path) -> None:
    with pytest.raises(serve.BadRequest):
        serve.predict_fn(serve.input_fn(b"1,2,3", "text/csv"), serve.model_fn(str(folder)))


def test_folds_are_averaged_and_classes_voted(tmp_path: Path) -> None:
    for number, seed in enumerate((1, 2)):
        one = booster(CANCER.target, CANCER.data, objective="binary:logistic", subsample=0.5, seed=seed)
        (tmp_path / f"xgboost-model-{number}").write_bytes(one.save_raw("ubj"))
    both = serve.model_fn(str(tmp_path))
    mean = np.mean([one.predict(xgboost.DMatrix(ROWS)) for one in both.boosters], axis=0)
    assert np.allclose(serve.predict_fn(ROWS, both), mean)
    voted = serve.Ensemble([booster(IRIS.target, IRIS.data, objective="multi:softmax", num_class=3) for _ in range(3)])
    assert serve.predict_fn(IRIS.data[[0, 149]].astype(np.float32), voted).tolist() == [0.0, 2.0]


def test_linear_boosters(tmp_path: Path) -> None:
    linear = booster(CANCER.target, CANCER.data / 1000, booster="gblinear")
    (tmp_path / "m").write_bytes(linear.save_raw("ubj"))
    rows = (ROWS / 1000).astype(np.float32)
    assert np.allclose(serve.predict_fn(rows, serve.model_fn(str(tmp_path))), linear.predict(xgboost.DMatrix(rows)))


def test_pickled_boosters_of_both_ages(tmp_path: Path, binary: Any) -> None:
    (tmp_path / "xgboost-model").write_bytes(pickle.dumps(binary))
    (loaded,) = model.load(tmp_path)
    assert np.allclose(expected(loaded), expected(binary))
    # What a 0.90 booster pickles to: an instance whose state holds the raw bytes and no configuration.
    raw = binary.save_raw("deprecated")
    old = OldBooster(bytes(raw))
    (tmp_path / "xgboost-model").write_bytes(pickle.dumps(old, protocol=0))
    (loaded,) = model.load(tmp_path)
    assert np.allclose(expected(loaded), expected(binary))


class OldBooster:
    def __init__(self, handle: bytes) -> None:
        self.handle, self.feature_names, self.feature_types = bytearray(handle), None, None

    def __reduce__(self) -> Any:
        import copyreg

        return copyreg._reconstructor, (xgboost.Booster, object, None), vars(self)  # type: ignore[attr-defined]


def test_what_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no model file"):
        model.load(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UserError, match=r"Model notes\.txt cannot be loaded"):
        model.load(tmp_path)
