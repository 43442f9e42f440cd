"""What the model server does with compiled artefacts: content types, scripts of both kinds, and refusals."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
import jobs
import made

from clary.compiler.engines import NotHere
from clary.serving.server.config import from_environment
from clary.serving.server.frameworks import load
from clary.serving.server.invocation import Invocation, Refused

ROW = made.ROWS[:1]
CSV, JSON, NPY = "text/csv", "application/json", "application/x-npy"
TENSORS = """
import json, os, torch

def model_fn(model_dir):
    return torch.jit.load(os.path.join(model_dir, "model.pt"))

def predict_fn(data, model):
    assert isinstance(data, torch.Tensor)
    return model(data).argmax(1)
"""
HOOKS = """
import json
import numpy

def neo_preprocess(payload, content_type):
    assert content_type == "application/x-image"
    return numpy.frombuffer(payload, "uint8").reshape(1, 1, 8, 8) / 255

def neo_postprocess(result):
    return json.dumps({"class": int(result.argmax())}), "application/json"
"""
HANDLERS = """
import json

def input_handler(data, context):
    assert (context.model_name, context.request_content_type) == ("model", "application/x-sum"), context
    return json.dumps({"instances": [[[[float(data.read())] * 8] * 8]]})

def output_handler(response, context):
    if response.status_code != 200:
        raise ValueError(response.text)
    return json.dumps({"best": max(response.json()["predictions"][0])}), context.accept_header
"""
TURNED = """
platform: "pytorch_libtorch"
max_batch_size: 8
input [ { name: "INPUT__1" data_type: TYPE_FP32 dims: [ 2 ] }, { name: "INPUT__0" data_type: TYPE_FP32 dims: [ 2 ] } ]
output [ { name: "OUTPUT__1" data_type: TYPE_FP32 dims: [] }, { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [ 2 ] } ]
"""


class Less(torch.nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return a - b, a.sum(1).to(torch.bfloat16)


def serve(base: Path, script: str = "") -> Any:
    """The server's function for the artefact in `base/model`."""
    if script:
        (base / "model/code").mkdir()
        (base / "model/code/inference.py").write_text(script)
    sys.modules.pop("inference", None)
    environment = {"SAGEMAKER_BASE_DIR": str(base), "CLARY_FRAMEWORK": "neo", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    return load(from_environment(environment)).serve


def csv(rows: Any) -> bytes:
    return "\n".join(",".join(map(str, row)) for row in rows.tolist()).encode()


def npy(rows: Any) -> bytes:
    made = io.BytesIO()
    np.save(made, rows)
    return made.getvalue()


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("classifier")
    file, model = made.estimator(folder, "RandomForestClassifier")
    assert jobs.compiled(folder / "job", file, "SKLEARN") == (0, "")
    return folder / "job", model


@pytest.fixture
def network(tmp_path: Path) -> tuple[Path, Any]:
    file, model = made.traced(tmp_path)
    assert jobs.compiled(tmp_path / "job", file, "PYTORCH", "{'input0': [1,1,8,8]}") == (0, "")
    return tmp_path / "job", model


def check_content_types(classifier: tuple[Path, Any]) -> None:
    answer, rows = serve(classifier[0]), made.ROWS[:3]
    expected = classifier[1].predict(rows).tolist()
    for body, kind in (
        (csv(rows), CSV),
        (json.dumps(rows.tolist()).encode(), JSON),
        (json.dumps({"instances": rows.tolist()}).encode(), JSON),
        (json.dumps({"input": rows.tolist()}).encode(), JSON),
        (npy(rows), NPY),
    ):
        assert json.loads(answer(Invocation(body, kind)).body) == expected
    one = answer(Invocation(json.dumps(ROW[0].tolist()).encode(), accept=CSV))
    assert (one.content_type, one.body.decode().strip()) == (CSV, classifier[1].predict(ROW)[0])


@pytest.mark.parametrize(
    ("body", "kind", "accept", "status"),
    [
        (b"1,2", CSV, "", 400),
        (b"a,b,c,d,e,f", CSV, "", 400),
        (b"", CSV, "", 400),
        (b"{", JSON, "", 400),
        (b"{}", JSON, "", 400),
        (b'[["a"]]', JSON, "", 400),
        (b"[[1],[1,2]]", JSON, "", 400),
        (b"[" * 100000, JSON, "", 400),
        (b"nothing", NPY, "", 400),
        (b"1", "image/png", "", 415),
        (csv(ROW), CSV, "image/png", 406),
    ],
)
def check_refusals(classifier: tuple[Path, Any], body: bytes, kind: str, accept: str, status: int) -> None:
    with pytest.raises(Refused) as refused:
        serve(classifier[0])(Invocation(body, kind, accept))
    assert refused.value.status == status


def check_a_script_of_tensors(network: tuple[Path, Any]) -> None:
    rows = torch.rand(3, 1, 8, 8)
    answer = serve(network[0], TENSORS)(Invocation(json.dumps(rows.tolist()).encode(), JSON))
    assert json.loads(answer.body) == network[1](rows).argmax(1).tolist()


def check_the_contract_of_tensorflow_serving(tmp_path: Path) -> None:
    """The graph is any, and only called TensorFlow's: what TensorFlow gives is tested in its own environment."""
    file, model = made.graph(tmp_path)
    assert jobs.compiled(tmp_path / "job", file, "ONNX", "{'data': [1,1,8,8]}") == (0, "")
    manifest = tmp_path / "job/model/compiled_model.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"framework": "TENSORFLOW", "outputs": ["p"]}))
    rows = torch.rand(2, 1, 8, 8)
    answer, expected = serve(tmp_path / "job"), model(rows).detach().numpy()

    def ask(body: Any, attributes: str = "") -> tuple[int, Any]:
        headers = {"x-amzn-sagemaker-custom-attributes": attributes}
        found = answer(Invocation(json.dumps(body).encode(), JSON, headers=headers))
        return found.status, json.loads(found.body)

    status, found = ask({"instances": rows.tolist()})
    assert status == 200
    np.testing.assert_allclose(found["predictions"], expected, atol=1e-6)
    assert ask({"instances": [{"data": row} for row in rows.tolist()]}) == (status, found)
    assert ask({"inputs": rows.tolist()}, "tfs-model-name=model") == (200, {"outputs": found["predictions"]})
    for body, attributes, status, words in (
        ({"instances": [[1, 2]]}, "", 400, "does not fit the compiled model's shape"),
        ({"instances": [{"x": 1}]}, "", 400, "Input names x are not those of the signature: data"),
        ({"instances": [], "inputs": []}, "", 400, "Missing"),
        ({"signature_name": "other", "inputs": [1]}, "", 400, "not found in signature def"),
        ([[1]], "tfs-model-name=none", 404, "Specific(none, 1)"),
        ([[1]], "tfs-method=classify", 400, "no method 'classify'"),
    ):
        told = ask(body, attributes)
        assert (told[0], words in told[1]["error"]) == (status, True), told
    scripted = serve(tmp_path / "job", HANDLERS)(Invocation(b"0.5", "application/x-sum", "application/x-best"))
    assert (scripted.content_type, json.loads(scripted.body)) == (
        "application/x-best",
        {"best": pytest.approx(model(torch.full((1, 1, 8, 8), 0.5)).max().item(), abs=1e-6)},
    )


def check_a_script_of_hooks(network: tuple[Path, Any]) -> None:
    image = np.random.default_rng(0).integers(0, 256, 64).astype("uint8")
    answer = serve(network[0], HOOKS)(Invocation(image.tobytes(), "application/x-image"))
    expected = network[1](torch.tensor(image.reshape(1, 1, 8, 8) / 255, dtype=torch.float32)).argmax().item()
    assert (answer.content_type, json.loads(answer.body)) == (JSON, {"class": expected})


@pytest.mark.parametrize(("config", "names"), [(TURNED, ("INPUT__0", "INPUT__1")), ("", ("a", "b"))])
def check_torchscript_on_tritons_contract(tmp_path: Path, config: str, names: tuple[str, str]) -> None:
    """Inputs and outputs are in the order of their numbers, or of forward's arguments."""
    (tmp_path / "model/less/1").mkdir(parents=True)
    (tmp_path / "model/less/config.pbtxt").write_text(config)
    torch.jit.script(Less()).save(str(tmp_path / "model/less/1/model.pt"))
    answer = serve(tmp_path)

    def ask(*rows: Any, datatype: str = "FP32") -> Any:
        # The second first: the order of a request says nothing.
        inputs = [
            {"name": name, "shape": [1, len(row)], "datatype": datatype, "data": row}
            for name, row in zip(reversed(names), reversed(rows), strict=True)
        ]
        return answer(Invocation(json.dumps({"inputs": inputs}).encode(), JSON))

    assert json.loads(ask([5, 7], [1, 2]).body)["outputs"] == [
        {"name": "OUTPUT__0", "datatype": "FP32", "shape": [1, 2], "data": [4.0, 5.0]},
        {"name": "OUTPUT__1", "datatype": "FP32", "shape": [1], "data": [12.0]},
    ]
    if not config:
        return
    for refused, words in (
        (
            ask([5, 7], [1, 2, 3]),
            "unexpected shape for input 'INPUT__1' for model 'less'. Expected [-1, 2], got [1, 3]",
        ),
        (ask([5, 7], [1, 2], datatype="INT64"), "data-type is 'INT64', but model 'less' expects 'FP32'"),
    ):
        assert (refused.status, words in json.loads(refused.body)["error"]) == (400, True), refused.body


def check_another_machine_is_refused(classifier: tuple[Path, Any]) -> None:
    """And another CPU of the same kind gets the code for any."""
    file = classifier[0] / "model/compiled_model.json"
    written = file.read_text()
    manifest = json.loads(written)
    try:
        manifest["options"]["cpu"] += " flag-of-the-future"
        file.write_text(json.dumps(manifest))
        assert json.loads(serve(classifier[0])(Invocation(csv(ROW), CSV)).body) == classifier[1].predict(ROW).tolist()
        manifest["options"]["machine"] = "riscv64"
        file.write_text(json.dumps(manifest))
        with pytest.raises(NotHere, match="compiled for riscv64, and this machine is"):
            serve(classifier[0])
        manifest["engine"] = "tvm"
        file.write_text(json.dumps(manifest))
        with pytest.raises(ValueError, match="needs the engine 'tvm', which is unknown here"):
            serve(classifier[0])
    finally:
        file.write_text(written)
