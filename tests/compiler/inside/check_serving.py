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


def check_a_script_of_hooks(network: tuple[Path, Any]) -> None:
    image = np.random.default_rng(0).integers(0, 256, 64).astype("uint8")
    answer = serve(network[0], HOOKS)(Invocation(image.tobytes(), "application/x-image"))
    expected = network[1](torch.tensor(image.reshape(1, 1, 8, 8) / 255, dtype=torch.float32)).argmax().item()
    assert (answer.content_type, json.loads(answer.body)) == (JSON, {"class": expected})


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
