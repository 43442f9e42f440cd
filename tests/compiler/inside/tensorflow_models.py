"""TensorFlow's and Keras's models: what comes out of the job answers as what went in. In TensorFlow's environment."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).parent))
import jobs

from clary.compiler import predictor

RANDOM = np.random.default_rng(0)
PICTURES = RANDOM.normal(size=(5, 8, 6, 2)).astype("float32")


class Pair(tf.Module):
    """Two inputs, two outputs; and a signature for which there is no graph."""

    def __init__(self) -> None:
        self.weights = tf.Variable(RANDOM.normal(size=(3, 2)).astype("float32"))

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, "x"), tf.TensorSpec([None], tf.int64, "n")])
    def serve(self, x: Any, n: Any) -> Any:
        return {"score": tf.nn.softmax(x @ self.weights), "next": n + 1}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "word")])
    def words(self, word: Any) -> Any:
        return {"upper": tf.strings.upper(word)}

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, "x")])
    def bessel(self, x: Any) -> Any:
        return {"y": tf.math.bessel_i0e(x)}


def saved(folder: Path, name: str = "serve") -> tuple[Path, Pair]:
    made = Pair()
    tf.saved_model.save(made, str(folder / "model/1"), signatures=getattr(made, name))
    (folder / "model/code").mkdir()
    (folder / "model/code/inference.py").touch()
    return folder / "model", made


def keras() -> Any:
    tf.keras.utils.set_random_seed(0)
    layers = tf.keras.layers
    parts = [layers.Conv2D(3, 3, activation="relu"), layers.Flatten(), layers.Dense(2, activation="softmax")]
    return tf.keras.Sequential([layers.Input((8, 6, 2), name="image"), *parts])


def check_a_saved_model(tmp_path: Path) -> None:
    folder, model = saved(tmp_path)
    assert jobs.compiled(tmp_path / "job", folder, "TENSORFLOW") == (0, "")
    found = predictor.load(tmp_path / "job/model")
    assert (found.manifest.names, found.manifest.outputs) == (("n", "x"), ("next", "score"))
    x = RANDOM.normal(size=(4, 3)).astype("float32")
    following, score = found.predict(np.arange(4), x)
    assert following.tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(score, model.serve(x, np.arange(4))["score"], atol=1e-6)
    held = {str(file.relative_to(tmp_path / "job/model")) for file in (tmp_path / "job/model").rglob("*.*")}
    assert held == {"compiled.onnx", "compiled_model.json", "compilation-report.json", "model/code/inference.py"}
    assert json.loads(json.loads((tmp_path / "job/output/derived.json").read_text())) == {"n": [1], "x": [1, 3]}
    assert "SavedModel's function" in jobs.report(tmp_path / "job")["original"]


@pytest.mark.parametrize(("name", "shapes"), [("net.h5", "{'image': [1,2,8,6]}"), ("net.keras", "")])
def check_keras(tmp_path: Path, name: str, shapes: str) -> None:
    """With the channels first, as AWS's documents have them, or as the model says."""
    model = keras()
    model.save(tmp_path / name)
    assert jobs.compiled(tmp_path / "job", tmp_path / name, "KERAS", shapes) == (0, "")
    found = predictor.load(tmp_path / "job/model")
    assert found.manifest.shapes == ((1, 8, 6, 2),)
    np.testing.assert_allclose(found.predict(PICTURES), model(PICTURES).numpy(), atol=1e-6)
    assert bool(jobs.report(tmp_path / "job")["notes"]) == name.endswith(".h5")


def check_a_frozen_graph(tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, 3], "x")
        tf.add(x @ tf.constant([[1.0], [2.0], [3.0]]), 1.0, "y")
    (tmp_path / "graph.pb").write_bytes(graph.as_graph_def().SerializeToString())
    assert jobs.compiled(tmp_path / "job", tmp_path / "graph.pb", "TENSORFLOW", "{'x:0': [1,3]}") == (0, "")
    found = predictor.load(tmp_path / "job/model")
    assert found.manifest.outputs == ("y",)
    assert found.predict(np.array([[1, 1, 1], [0, 0, 2]], "float32")).tolist() == [[7.0], [7.0]]


@pytest.mark.parametrize(
    ("name", "shapes", "why"),
    [
        ("words", "", "Input word is a tensor of string, which is not supported"),
        ("bessel", "", "operators are not implemented: {BesselI0e}"),
        ("serve", "{'x': [1,3], 'm': [1]}", "the inputs of the model are called n, x"),
        ("serve", "{'x': [1,4], 'n': [1]}", "Input x has wrong shape in DataInputConfig: [1, 4] for [None, 3]"),
    ],
)
def check_what_cannot_be_compiled(tmp_path: Path, name: str, shapes: str, why: str) -> None:
    folder, _ = saved(tmp_path, name)
    code, said = jobs.compiled(tmp_path / "job", folder, "TENSORFLOW", shapes)
    assert code == 2 and why in said, said


@pytest.mark.parametrize(
    ("files", "framework", "why"),
    [
        (["a.pb", "b.pbtxt"], "TENSORFLOW", "Exactly one .pb (or .pbtxt) file is allowed for TensorFlow models"),
        (["a.h5"], "TENSORFLOW", "there are: none; a file of Keras's needs Framework KERAS"),
        (["a.pb"], "TENSORFLOW", "Unable to load provided TensorFlow model."),
        (["saved_model.pb"], "TENSORFLOW", "Unable to load provided TensorFlow model."),
        (["a.h5"], "KERAS", "Unable to load provided Keras model."),
        (["a.h5", "b.keras"], "KERAS", "Multiple .h5 or .keras files provided"),
    ],
)
def check_what_is_no_model(tmp_path: Path, files: list[str], framework: str, why: str) -> None:
    (tmp_path / "given").mkdir()
    for name in files:
        (tmp_path / "given" / name).write_bytes(b"nothing")
    code, said = jobs.compiled(tmp_path / "job", tmp_path / "given", framework, "[1,2]")
    assert code == 2 and why in said, said
