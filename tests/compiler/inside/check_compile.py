"""Each source of models: what comes out of the job answers as what went in, and the report says how fast."""

import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
import jobs
import made

from clary.compiler import predictor


@pytest.mark.parametrize(
    ("name", "engine"),
    [
        ("RandomForestClassifier", "trees"),
        ("ExtraTreesRegressor", "trees"),
        ("GradientBoostingClassifier", "trees"),
        ("HistGradientBoostingClassifier", "trees"),
        ("lightgbm", "trees"),
        ("linear", "onnx"),
    ],
)
def check_scikit_learn(tmp_path: Path, name: str, engine: str) -> None:
    file, model = made.estimator(tmp_path, name)
    assert jobs.compiled(tmp_path / "job", file, "SKLEARN") == (0, "")
    found = predictor.load(tmp_path / "job" / "model")
    assert found.manifest.engine == engine
    if "Regressor" in name:
        np.testing.assert_allclose(found.predict(made.ROWS), model.predict(made.ROWS), rtol=1e-12)
        return
    assert found.predict(made.ROWS).tolist() == model.predict(made.ROWS).tolist()
    np.testing.assert_allclose(found.predict_proba(made.ROWS), model.predict_proba(made.ROWS), atol=1e-5)


@pytest.mark.parametrize("objective", ["binary:logistic", "multi:softprob", "multi:softmax", "count:poisson"])
def check_xgboost(tmp_path: Path, objective: str) -> None:
    more = (
        {"base_score": 0.7} if objective == "count:poisson" else {"booster": "dart"} if "logistic" in objective else {}
    )
    file, model = made.booster(tmp_path, objective, **more)
    assert jobs.compiled(tmp_path / "job", file, "XGBOOST", '{"data":[1,6]}') == (0, "")
    rows = np.where(np.random.default_rng(1).random(made.ROWS.shape) < 0.2, np.nan, made.ROWS)
    found = predictor.load(tmp_path / "job" / "model")
    for part in (rows, rows[:1], made.ROWS):
        np.testing.assert_allclose(found.predict(part), model.inplace_predict(part), rtol=2e-6, atol=1e-6)
    _is_reported(jobs.report(tmp_path / "job"))


def _is_reported(found: Any) -> None:
    (candidate,) = found.pop("candidates")
    assert found == {
        "framework": "XGBOOST",
        "original": "XGBoost's inplace_predict",
        "target": "ml_c5",
        "dtype": "float32",
        "chosen": "compiled trees",
        "slower": False,
        "notes": [],
    }
    assert candidate["agreement"]["rows"] == 500
    single, many = candidate["speed"]
    assert (single["rows"], many["rows"]) == (1, 100)
    # An idle machine shows ten times this.
    assert single["speedup"] > 3


def check_lightgbm_with_categories(tmp_path: Path) -> None:
    file, model = made.categorical(tmp_path)
    assert jobs.compiled(tmp_path / "job", file, "XGBOOST") == (0, "")
    rows = np.column_stack([made.ROWS, np.resize([0, 1, 39, 40, 1e9, -1, np.nan, 7.0], len(made.ROWS))])
    found = predictor.load(tmp_path / "job" / "model")
    np.testing.assert_allclose(found.predict(rows), model.predict(rows), rtol=1e-12)
    assert "DerivedInformation" not in jobs.report(tmp_path / "job")
    assert (tmp_path / "job/output/derived.json").read_text() == '"{\\"input\\": [1, 7]}"'


def check_pytorch(tmp_path: Path) -> None:
    file, model = made.traced(tmp_path)
    assert jobs.compiled(tmp_path / "job", file, "PYTORCH", "{'input0': [1,1,8,8]}") == (0, "")
    x = torch.randn(5, 1, 8, 8)
    with torch.no_grad():
        expected = model(x).numpy()
        own = torch.jit.load(str(tmp_path / "job/model/model.pt"))(x).numpy()
    np.testing.assert_allclose(predictor.load(tmp_path / "job" / "model").predict(x.numpy()), expected, atol=1e-5)
    np.testing.assert_allclose(own, expected, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def check_onnx_in_each_precision(tmp_path: Path, dtype: str) -> None:
    file, model = made.graph(tmp_path)
    assert jobs.compiled(tmp_path / "job", file, "ONNX", "{'data': [1,1,8,8]}", dtype=dtype) == (0, "")
    x = torch.randn(5, 1, 8, 8)
    with torch.no_grad():
        expected = model(x).numpy()
    found = predictor.load(tmp_path / "job" / "model").predict(x.numpy())
    assert found.dtype == np.float32
    tolerance = {"float32": 1e-5, "float16": 1e-2, "int8": 5e-2}[dtype]
    np.testing.assert_allclose(found, expected, atol=tolerance)
    assert (dtype == "float32") == bool(np.abs(found - expected).max() < 1e-6)


class Unpicklable:
    """Runs a program when it is read, as a stranger's pickle may."""

    def __init__(self, command: str) -> None:
        self._command = command

    def __reduce__(self) -> Any:
        import os

        return os.system, (self._command,)


@pytest.mark.parametrize(
    ("framework", "content", "why"),
    [
        ("XGBOOST", b"nothing", "Unable to load provided LightGBM or XGBoost model"),
        ("XGBOOST", b"tree\nversion=v4\n", "Unable to load provided LightGBM or XGBoost model"),
        ("SKLEARN", b"nothing", "No .joblib or .pkl or .pickle file provided"),
        ("PYTORCH", b"nothing", "No .pt or .pth or .pt2 file provided"),
        ("ONNX", b"nothing", "No .onnx file provided"),
    ],
)
def check_what_is_no_model(tmp_path: Path, framework: str, content: bytes, why: str) -> None:
    (tmp_path / "model.bin").write_bytes(content)
    code, said = jobs.compiled(tmp_path / "job", tmp_path / "model.bin", framework, "{'a': [1,2]}")
    assert code == 2 and why in said
    assert not list((tmp_path / "job/model").iterdir())


@pytest.mark.parametrize(
    ("name", "framework", "shapes", "config", "why"),
    [
        ("booster", "XGBOOST", "[1,7]", {}, r"wrong shape in DataInputConfig: \[1, 7\] instead of \[1, 6\]"),
        ("booster", "XGBOOST", "", {"dtype": "int8"}, "no weights to convert"),
        ("linear booster", "XGBOOST", "", {}, "operators are not implemented: {'gblinear'}"),
        ("net", "PYTORCH", "", {}, "DataInputConfig is required"),
        ("net", "PYTORCH", "[1,1,9,9]", {}, "Input has wrong shape in DataInputConfig"),
        ("graph", "ONNX", "{'image': [1,1,8,8]}", {}, "the inputs of the model are called data"),
        ("graph", "ONNX", "{'data': [1,1,8]}", {}, "Input data has wrong shape"),
        ("weights", "PYTORCH", "[1,1,8,8]", {}, "is not TorchScript: trace the model"),
        ("pickle", "SKLEARN", "", {}, "the model is a int, which has no predict"),
    ],
)
def check_what_cannot_be_compiled(
    tmp_path: Path, name: str, framework: str, shapes: str, config: Any, why: str
) -> None:
    import re

    if name.endswith("booster"):
        file, _ = made.booster(tmp_path, "binary:logistic", **({"booster": "gblinear"} if " " in name else {}))
    elif name == "weights":
        file = tmp_path / "weights.pth"
        torch.save(made.network().state_dict(), file)
    elif name == "pickle":
        file = tmp_path / "model.pkl"
        joblib.dump(Unpicklable("true"), file)
    else:
        file, _ = made.traced(tmp_path) if name == "net" else made.graph(tmp_path)
    code, said = jobs.compiled(tmp_path / "job", file, framework, shapes, **config)
    assert code == 2 and re.search(why, said), said
