"""Compiled models beside the library calls that they replace, and that they answer alike: seven kinds of models."""

import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from tests.serving.artefacts import python

from benchmarks.report import Section
from clary.capabilities.compilation.targets import TENSORFLOW_FRAMEWORKS
from clary.runtime import shims

TREES = 300
WANTED = 3.0
"""Times faster than the library, for a single row of an ensemble of so many trees."""
MAKE = """
import sys, warnings
warnings.simplefilter("ignore")
import joblib, lightgbm, numpy, torch, xgboost
from sklearn import datasets, ensemble, linear_model, pipeline, preprocessing
trees = int(sys.argv[1])
digits, number = datasets.load_digits(return_X_y=True)
cells, malign = datasets.load_breast_cancer(return_X_y=True)
people, disease = datasets.load_diabetes(return_X_y=True)
joblib.dump(ensemble.RandomForestClassifier(trees, random_state=0).fit(digits, number), "forest.joblib")
scaled = pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression(max_iter=500))
joblib.dump(scaled.fit(cells, malign), "logistic.joblib")
given = {"objective": "binary:logistic", "max_depth": 6, "min_child_weight": 0.01}
xgboost.train(given, xgboost.DMatrix(cells, malign), trees).save_model("cells.json")
xgboost.train({"max_depth": 6}, xgboost.DMatrix(people, disease), trees).save_model("people.json")
given = {"objective": "regression", "verbose": -1}
lightgbm.train(given, lightgbm.Dataset(people, disease), trees).save_model("people.txt")

def fit(model, rows):
    torch.manual_seed(0)
    descent = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(60):
        descent.zero_grad()
        torch.nn.functional.cross_entropy(model(rows), torch.tensor(number)).backward()
        descent.step()
    return model.eval()

Conv, Norm, ReLU, Linear = torch.nn.Conv2d, torch.nn.BatchNorm2d, torch.nn.ReLU, torch.nn.Linear
flat = torch.tensor(digits, dtype=torch.float32) / 16
image = flat.reshape(-1, 1, 8, 8)
parts = [Conv(1, 16, 3, padding=1), Norm(16), ReLU(), Conv(16, 32, 3), Norm(32), ReLU(), torch.nn.Flatten()]
network = fit(torch.nn.Sequential(*parts, Linear(32 * 36, 10)), image)
torch.jit.trace(network, image[:1]).save("network.pt")
layers = fit(torch.nn.Sequential(Linear(64, 256), ReLU(), Linear(256, 256), ReLU(), Linear(256, 10)), flat)
torch.jit.trace(layers, flat[:1]).save("layers.pt")
names = {"input_names": ["data"], "dynamic_axes": {"data": {0: "rows"}}}
torch.onnx.export(network, (image[:1],), "network.onnx", dynamo=False, **names)
"""
MAKE_TENSORFLOW = """
import tensorflow as tf
from sklearn import datasets
digits, number = datasets.load_digits(return_X_y=True)
tf.keras.utils.set_random_seed(0)
layers = tf.keras.layers
Conv, Norm, ReLU, Dense = layers.Conv2D, layers.BatchNormalization, layers.ReLU, layers.Dense

def fit(shape, parts, rows):
    model = tf.keras.Sequential([layers.Input(shape, name="data"), *parts])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(rows, number, epochs=5, verbose=0)
    return model

image = (digits / 16).reshape(-1, 8, 8, 1)
parts = [Conv(16, 3, padding="same"), Norm(), ReLU(), Conv(32, 3), Norm(), ReLU(), layers.Flatten()]
fit((8, 8, 1), [*parts, Dense(10, "softmax")], image).export("network", verbose=False)
rows = (digits / 16).reshape(-1, 8, 8)
fit((8, 8), [layers.LSTM(32), Dense(10, "softmax")], rows).save("rows.h5")
"""
MODELS = (
    ("scikit-learn random forest, digits", "forest.joblib", "SKLEARN", "", "float32", True),
    ("scikit-learn logistic regression, cancer", "logistic.joblib", "SKLEARN", "", "float32", False),
    ("XGBoost classifier, cancer", "cells.json", "XGBOOST", "", "float32", True),
    ("XGBoost regression, diabetes", "people.json", "XGBOOST", "", "float32", True),
    ("LightGBM regression, diabetes", "people.txt", "XGBOOST", "", "float32", True),
    ("PyTorch convolutions, digits", "network.pt", "PYTORCH", "[1,1,8,8]", "float32", False),
    ("PyTorch three layers, digits", "layers.pt", "PYTORCH", "[1,64]", "float32", False),
    ("PyTorch three layers, int8", "layers.pt", "PYTORCH", "[1,64]", "int8", False),
    ("ONNX convolutions, digits", "network.onnx", "ONNX", "[1,1,8,8]", "float32", False),
    ("ONNX convolutions, float16", "network.onnx", "ONNX", "[1,1,8,8]", "float16", False),
    ("TensorFlow convolutions, digits", "network", "TENSORFLOW", '{"data":[1,8,8,1]}', "float32", False),
    ("Keras LSTM, digits", "rows.h5", "KERAS", '{"data":[1,8,8]}', "float32", False),
)
"""Title, file, framework, shapes, precision, whether it is an ensemble that the target is about."""


def measure(folder: Path, quick: bool) -> Section:
    section = Section(
        "compiled",
        "Compiled models",
        f"a single row of an ensemble of {TREES} trees at least {WANTED:g} times faster than the library's own call",
        ("model", "compiled to", "rows", "library, µs", "compiled, µs", "times faster", "largest difference"),
    )
    trees = 20 if quick else TREES
    subprocess.run([python("neo"), "-c", MAKE, str(trees)], cwd=folder, check=True, capture_output=True)
    if not quick:
        subprocess.run([python("tensorflow"), "-c", MAKE_TENSORFLOW], cwd=folder, check=True, capture_output=True)
    for title, file, framework, shapes, dtype, is_ensemble in MODELS[:3] if quick else MODELS:
        report = _compile(folder, file, framework, shapes, dtype)
        chosen = next(each for each in report["candidates"] if each["name"] == report["chosen"])
        section.rows += [_row(title, chosen, speed) for speed in chosen["speed"]]
        if is_ensemble:
            single = chosen["speed"][0]["speedup"]
            section.verdict(single >= WANTED, f"{title}: {single:.1f} times faster (at least {WANTED:g})")
    section.notes.append(
        f"Tree ensembles have {trees} trees. The library's call is the fastest that it has: `predict` of scikit-learn "
        "and LightGBM, `inplace_predict` of XGBoost, a TorchScript module without gradients, a traced "
        "function of TensorFlow, ONNX Runtime as it comes. Both sides have one thread."
    )
    section.notes.append(
        "Times are what the compilation job itself measures and writes into its report: medians of rounds in turns. "
        "The difference is a part of the largest number that the library gives, over a few hundred sampled rows."
    )
    return section


def _compile(folder: Path, file: str, framework: str, shapes: str, dtype: str) -> Any:
    base = folder / f"{file}-{dtype}"
    for name in ("input/config", "input/archive", "model", "output"):
        (base / name).mkdir(parents=True)
    with tarfile.open(base / "input/archive/model.tar.gz", "w:gz") as tar:
        tar.add(folder / file, file)
    config = {"framework": framework, "data_input_config": shapes, "dtype": dtype, "input_dtype": "float32"}
    config |= {"device": "cpu", "threads": 1, "target": "ml_c5"}
    (base / "input/config/compilationjob.json").write_text(json.dumps(config))
    environment = os.environ | {"SAGEMAKER_BASE_DIR": str(base), "PYTHONPATH": str(shims.package_root())}
    runtime = "tensorflow" if framework in TENSORFLOW_FRAMEWORKS else "neo"
    subprocess.run([python(runtime), "-m", "clary.compiler.job"], env=environment, check=True, capture_output=True)
    return json.loads((base / "model/compilation-report.json").read_text())


def _row(title: str, chosen: Any, speed: Any) -> tuple[str, ...]:
    return (
        title,
        chosen["name"],
        str(speed["rows"]),
        f"{speed['original_seconds'] * 1e6:,.1f}",
        f"{speed['compiled_seconds'] * 1e6:,.1f}",
        f"{speed['speedup']:.1f}",
        f"{chosen['agreement']['largest_relative_difference']:.0e}",
    )
