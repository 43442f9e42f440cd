"""Triton's contract: requests and settings without any backend, then real repositories in the real environment."""

import json
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.serving.artefacts import python
from tests.serving.server.conftest import Start

CONFIG = """
name: "sum"  # a comment
max_batch_size: 8
input [ { name: "x", data_type: TYPE_FP32, dims: [ 2 ] } ]
output [
  { name: "y" data_type: TYPE_FP32 dims: [ -1 ] }
]
parameters { key: "scale" value { string_value: "a \\"b\\"" } }
"""
ONNX = """
import onnx
from onnx import TensorProto, helper
x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [None, 2]) for n in "xy")
graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "g", [x], [y])
opsets = [helper.make_opsetid("", 17)]
onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), "model.onnx")
"""
PYTHON = """
import json
import numpy
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        self.config = json.loads(args["model_config"])
        output = pb_utils.get_output_config_by_name(self.config, "y")
        self.type = pb_utils.triton_string_to_numpy(output["data_type"])

    def execute(self, requests):
        answers = []
        for request in requests:
            x = pb_utils.get_input_tensor_by_name(request, "x").as_numpy()
            if x.min() < 0:
                answers.append(pb_utils.InferenceResponse([], pb_utils.TritonError("negative")))
            else:
                y = pb_utils.Tensor("y", x.sum(1).astype(self.type))
                word = pb_utils.Tensor("word", numpy.array([b"yes"] * len(x), dtype=object))
                answers.append(pb_utils.InferenceResponse([y, word]))
        return answers
"""
BINARY = "application/vnd.sagemaker-triton.binary+json;json-header-size="


def test_settings_are_read(tmp_path: Path) -> None:
    from clary.serving.server.frameworks.triton import settings

    (tmp_path / "config.pbtxt").write_text(CONFIG)
    assert settings.read(tmp_path / "config.pbtxt") == {
        "name": "sum",
        "max_batch_size": 8,
        "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [2]}],
        "output": [{"name": "y", "data_type": "TYPE_FP32", "dims": [-1]}],
        "parameters": {"scale": {"string_value": 'a "b"'}},
    }
    assert settings.read(tmp_path / "none") == {}
    for wrong in ("input [ {", "a: }", "} b: 1"):
        (tmp_path / "config.pbtxt").write_text(wrong)
        with pytest.raises(ValueError):
            settings.read(tmp_path / "config.pbtxt")


def request(*rows: list[float], **more: Any) -> bytes:
    values = [value for row in rows for value in row]
    return json.dumps(
        {"inputs": [{"name": "x", "shape": [len(rows), 2], "datatype": "FP32", "data": values}], **more}
    ).encode()


def test_onnx_model_in_json_and_binary(start: Start, tmp_path: Path) -> None:
    subprocess.run([python("neo"), "-c", ONNX], cwd=tmp_path, check=True)
    server = start("neo", {"twice/1/model.onnx": (tmp_path / "model.onnx").read_bytes(), "twice/config.pbtxt": ""})
    status, kind, body = server.said(request([1, 2], [3, 4.5], id="7"), "application/json")
    assert (status, kind, json.loads(body)) == (
        200,
        "application/json",
        {
            "id": "7",
            "model_name": "twice",
            "model_version": "1",
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [2, 2], "data": [2.0, 4.0, 6.0, 9.0]}],
        },
    )
    entry = {"name": "x", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}
    wanted = [{"name": "y", "parameters": {"binary_data": True}}]
    head = json.dumps({"inputs": [entry], "outputs": wanted}).encode()
    status, kind, body = server.said(head + struct.pack("<2f", 1, 2), f"{BINARY}{len(head)}")
    size = int(kind.removeprefix(BINARY))
    assert (status, struct.unpack("<2f", body[size:])) == (200, (2.0, 4.0))
    refused = [
        (b"{", "failed to parse"),
        (request([1, 2], outputs=[{"name": "z"}]), "unexpected inference output 'z'"),
        (b'{"inputs": []}', "expected inputs x"),
        (b'{"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [1]}]}', "dimensions"),
        (b'{"inputs": [{"name": "x", "shape": [1, 2], "datatype": "INT8", "data": [1.5, 2]}]}', "type INT8"),
    ]
    for given, words in refused:
        reply = server.call(given, "application/json")
        assert (reply.status, words in json.loads(reply.body)["error"]) == (400, True), reply.body
    assert server.call(b"", "text/csv").status == 415


def test_python_model(start: Start) -> None:
    server = start("neo", {"sum/3/model.py": PYTHON, "sum/config.pbtxt": CONFIG})
    outputs = json.loads(server.call(request([1, 2], [3, 4]), "application/json").body)["outputs"]
    assert outputs == [
        {"name": "y", "datatype": "FP32", "shape": [2], "data": [3.0, 7.0]},
        {"name": "word", "datatype": "BYTES", "shape": [2], "data": ["yes", "yes"]},
    ]
    reply = server.call(request([-1, 2]), "application/json")
    assert (reply.status, b"negative" in reply.body) == (500, True)
