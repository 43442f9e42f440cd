"""TensorFlow Serving's contract over SavedModels, in the real environment, called over the server's socket."""

import base64
import json
import subprocess

import pytest
from tests.serving.artefacts import python
from tests.serving.server.conftest import ModelServer, Start

MAKE = """
import sys, tensorflow as tf
class Half(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def serve(self, x):
        return {"y": x / 2.0}
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="word"), tf.TensorSpec([None], tf.int64)])
    def words(self, word, n):
        return {"upper": tf.strings.upper(word), "raw_bytes": word, "next": n + 1}
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def scored(self, inputs):
        found = tf.io.parse_example(inputs, {"a": tf.io.FixedLenFeature([], tf.float32)})
        return {"scores": tf.stack([found["a"], 1 - found["a"]], 1), "outputs": found["a"] * 10.0}
class Tenth(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def serve(self, x):
        return x / 10.0
for name, version, made in (("half", 1, Tenth()), ("half", 7, Half()), ("tenth", 3, Tenth())):
    signatures = {"serving_default": made.serve}
    if isinstance(made, Half):
        signatures |= {"words": made.words, "scored": made.scored}
    tf.saved_model.save(made, f"{name}/{version}", signatures=signatures)
"""
HANDLERS = """
import json

def input_handler(data, context):
    assert context.request_content_type == "text/plain", context
    return json.dumps({"instances": [[float(word) for word in data.read().decode().split()]]})

def output_handler(response, context):
    if response.status_code != 200:
        raise ValueError(response.content.decode("utf-8"))
    return json.dumps({"sum": sum(response.json()["predictions"][0]), "for": context.model_name}), context.accept_header
"""
ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("saved")
    subprocess.run([python("tensorflow"), "-c", MAKE], cwd=folder, check=True, capture_output=True)
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def serving(start: Start, models: dict[str, bytes]) -> ModelServer:
    return start("tensorflow", models, SAGEMAKER_TFS_DEFAULT_MODEL_NAME="half")


def ask(server: ModelServer, body: str, kind: str = "application/json", attributes: str = "") -> object:
    reply = server.call(body.encode(), kind, headers={ATTRIBUTES: attributes} if attributes else {})
    return json.loads(reply.body) if reply.status == 200 else (reply.status, json.loads(reply.body)["error"])


def test_what_clients_may_send(serving: ModelServer) -> None:
    rows = {"predictions": [[0.5, 1.0], [0.05, 2.0]]}
    assert ask(serving, '{"instances": [[1, 2], [0.1, 4]]}') == rows
    assert ask(serving, '{"inputs": [[1, 2], [0.1, 4]]}') == {"outputs": rows["predictions"]}
    assert ask(serving, '{"instances": [{"x": [1, 2]}, {"x": [0.1, 4]}]}') == rows
    assert ask(serving, "[[1, 2], [0.1, 4]]") == rows
    assert ask(serving, "[1, 2]") == {"predictions": [[0.5, 1.0]]}
    assert ask(serving, "[1, 2]\n[0.1, 4]\n") == rows
    assert ask(serving, '{"x": [1, 2]}\n{"x": [0.1, 4]}', "application/jsonlines") == rows
    assert ask(serving, "1,2\n0.1,4\n", "text/csv") == rows


def test_signatures_words_and_bytes(serving: ModelServer) -> None:
    word = base64.b64encode(b"\xc3\xa4b").decode()
    body = {"signature_name": "words", "instances": [{"word": "x", "n": 1}, {"word": {"b64": word}, "n": 2}]}
    assert ask(serving, json.dumps(body)) == {
        "predictions": [
            {"upper": "X", "raw_bytes": {"b64": "eA=="}, "next": 2},
            {"upper": "äB", "raw_bytes": {"b64": word}, "next": 3},
        ]
    }


def test_attributes_choose_model_version_and_method(serving: ModelServer) -> None:
    assert ask(serving, "5\n6", "text/csv", "tfs-model-name=tenth") == {"predictions": [0.5, 0.6]}
    assert ask(serving, '{"instances": [5]}', attributes="tfs-model-version=1,tfs-method=predict") == {
        "predictions": [0.5]
    }
    examples = '{"signature_name": "scored", "context": {"a": 0.25}, "examples": [{"a": 0.75}, {}]}'
    assert ask(serving, examples, attributes="tfs-method=classify") == {
        "results": [[["", 0.75], ["", 0.25]], [["", 0.25], ["", 0.75]]]
    }
    assert ask(serving, examples, attributes="tfs-method=regress") == {"results": [7.5, 2.5]}


@pytest.mark.parametrize(
    ("body", "attributes", "status", "words"),
    [
        ("{", "", 400, "JSON Parse error"),
        ('{"instances": []}', "", 400, "at least one"),
        ('{"instances": [[1, 2], [3]]}', "", 400, "inhomogeneous"),
        ('{"instances": [[1, 2, 3]]}', "", 400, "shape"),
        ('{"instances": [{"z": 1}]}', "", 400, "Input names z"),
        ('{"instances": [[1, 2]], "inputs": [[1, 2]]}', "", 400, "Missing"),
        ('{"signature_name": "no", "instances": [[1, 2]]}', "", 400, "not found in signature def"),
        ('{"signature_name": "words", "instances": [{"word": "x", "n": 1.5}]}', "", 400, "fraction"),
        ("[1, 2]", "tfs-model-name=none", 404, "Latest(none)"),
        ("[1, 2]", "tfs-model-version=2", 404, "Specific(half, 2)"),
        ("[1, 2]", "tfs-method=delete", 400, "no method 'delete'"),
    ],
)
def test_refusals(serving: ModelServer, body: str, attributes: str, status: int, words: str) -> None:
    told = ask(serving, body, attributes=attributes)
    assert isinstance(told, tuple) and (told[0], words in told[1]) == (status, True), told


def test_types_of_content(serving: ModelServer) -> None:
    assert serving.call(b"[1,2]", "image/png").status == 415
    assert serving.said(b"[1,2]", "application/json", "application/jsonlines")[1] == "application/jsonlines"
    assert serving.said(b"[1,2]", "application/json", "text/html")[1] == "application/json"


def test_handlers_around_the_model(start: Start, models: dict[str, bytes]) -> None:
    server = start("tensorflow", {**models, "code/inference.py": HANDLERS}, SAGEMAKER_TFS_DEFAULT_MODEL_NAME="half")
    assert server.said(b"1 2", "text/plain", "application/x-sum") == (
        200,
        "application/x-sum",
        b'{"sum": 1.5, "for": "half"}',
    )
    status, _, body = server.said(b"1 2 3", "text/plain")
    assert (status, "does not fit" in json.loads(body)["error"]) == (500, True)
