"""Small real models of each framework."""

from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import torch
import xgboost
from sklearn import ensemble, linear_model, pipeline, preprocessing

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(300, 6)).astype("float32")
TARGET = ROWS[:, 0] * ROWS[:, 1] + ROWS[:, 2]
CLASS = np.digitize(TARGET, [-0.5, 0.5])
NAMES = np.array(["low", "middle", "high"])[CLASS]


def estimator(folder: Path, name: str) -> tuple[Path, Any]:
    """A fitted one of scikit-learn, and its file."""
    few = {"max_iter" if name.startswith("Hist") else "n_estimators": 12}
    if name == "linear":
        made = pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression())
        made.fit(ROWS, NAMES)
    elif name == "lightgbm":
        made = lightgbm.LGBMClassifier(n_estimators=10, verbose=-1).fit(ROWS, NAMES)
    elif "Regressor" in name:
        made = getattr(ensemble, name)(**few, random_state=0).fit(ROWS, TARGET)
    else:
        made = getattr(ensemble, name)(**few, random_state=0).fit(ROWS, NAMES)
    joblib.dump(made, folder / "model.joblib")
    return folder / "model.joblib", made


def booster(folder: Path, objective: str, **more: Any) -> tuple[Path, Any]:
    """Of XGBoost, trained with gaps in its rows."""
    rows = np.where(RANDOM.random(ROWS.shape) < 0.1, np.nan, ROWS)
    labels = CLASS if "multi" in objective else (TARGET > 0).astype(int)
    given = {"objective": objective, "max_depth": 4} | ({"num_class": 3} if "multi" in objective else {}) | more
    made = xgboost.train(given, xgboost.DMatrix(rows, labels), 20)
    made.save_model(folder / "model.ubj")
    return (folder / "model.ubj").rename(folder / "xgboost-model"), made


def categorical(folder: Path) -> tuple[Path, Any]:
    """Of LightGBM, with a column of categories."""
    rows = np.column_stack([ROWS, RANDOM.integers(0, 40, len(ROWS))])
    data = lightgbm.Dataset(rows, TARGET + 3 * (rows[:, -1] % 5), categorical_feature=[6])
    made = lightgbm.train({"verbose": -1, "min_data_per_group": 1, "min_data_in_leaf": 5}, data, 20)
    made.save_model(folder / "model.txt")
    return folder / "model.txt", made


def network() -> Any:
    torch.manual_seed(0)
    parts = [torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(4 * 36, 3)]
    return torch.nn.Sequential(*parts, torch.nn.Softmax(1)).eval()


def traced(folder: Path) -> tuple[Path, Any]:
    made = network()
    torch.jit.trace(made, torch.zeros(1, 1, 8, 8)).save(str(folder / "net.pt"))
    return folder / "net.pt", made


def graph(folder: Path) -> tuple[Path, Any]:
    made, axes = network(), {"data": {0: "rows"}}
    torch.onnx.export(
        made,
        (torch.zeros(1, 1, 8, 8),),
        str(folder / "net.onnx"),
        dynamo=False,
        input_names=["data"],
        dynamic_axes=axes,
    )
    return folder / "net.onnx", made
