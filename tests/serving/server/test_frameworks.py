"""Real models in the real managed environments, called over their socket."""

import io
import json
import subprocess
import zipfile
from pathlib import Path

import pytest
from tests.serving.artefacts import ROW, python, xgboost_archive
from tests.serving.server.conftest import ModelServer, Start

SUM_SCRIPT = """
import numpy, sklearn.linear_model, time

def model_fn(model_dir):
    rows = numpy.eye(3)
    return sklearn.linear_model.LinearRegression(fit_intercept=False).fit(rows, rows @ [1.0, 2.0, 3.0])
"""

TORCHSCRIPT = """
import torch
class Double(torch.nn.Module):
    def forward(self, x):
        return x * 2
torch.jit.trace(Double(), torch.zeros(1)).save("model.pt")
"""


@pytest.fixture(scope="module")
def booster(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, float]:
    folder = tmp_path_factory.mktemp("booster")
    _, predicted = xgboost_archive(folder)
    return (folder / "xgboost-model").read_bytes(), predicted


@pytest.fixture(scope="module")
def algorithm(start: Start, booster: tuple[bytes, float]) -> ModelServer:
    return start("xgboost", {"xgboost-model": booster[0]})


def test_xgboost_answers_in_the_type_asked_for(algorithm: ModelServer, booster: tuple[bytes, float]) -> None:
    expected = pytest.approx(booster[1], rel=1e-5)
    status, content_type, body = algorithm.said(ROW, "text/csv")
    assert (status, content_type, float(body)) == (200, "text/csv", expected)
    assert json.loads(algorithm.said(ROW, "text/csv", "application/json")[2]) == {"predictions": [{"score": expected}]}
    assert json.loads(algorithm.said(ROW, "text/csv", "application/jsonlines")[2]) == {"score": expected}
    libsvm = b"0:0.1 1:0.2 2:0.3 3:0.4"
    assert float(algorithm.said(libsvm, "text/libsvm")[2]) == expected


PICKLE_WRAPPED = """
import pickle, numpy, sys, xgboost
rows = numpy.random.default_rng(0).normal(size=(100, 4))
model = xgboost.XGBRegressor(n_estimators=5).fit(rows, rows @ [1, 2, 3, 4])
sys.stdout.buffer.write(pickle.dumps(model))
"""


def test_pickle_of_the_scikit_learn_class_is_served_without_scikit_learn(start: Start) -> None:
    made = subprocess.run([python("xgboost"), "-c", PICKLE_WRAPPED], stdout=subprocess.PIPE, check=True)
    server = start("xgboost", {"xgboost-model": made.stdout})
    assert server.said(ROW, "text/csv")[0] == 200
    loaded = [Path(f"/proc/{worker.pid}/maps").read_text() for worker in server.workers()]
    assert [(name, name in maps) for maps in loaded for name in ("sklearn", "pandas", "libxgboost")] == [
        ("sklearn", False),
        ("pandas", False),
        ("libxgboost", True),
    ] * len(loaded)


def test_xgboost_many_rows_with_gaps(algorithm: ModelServer, booster: tuple[bytes, float]) -> None:
    body = algorithm.said((ROW + b"\r\n,,,\n") * 1000, "text/csv")[2]
    scores = [float(score) for score in body.split(b",")]
    assert (len(scores), len(set(scores)), scores[0]) == (2000, 2, pytest.approx(booster[1], rel=1e-5))


@pytest.mark.parametrize(
    ("body", "content_type", "accept", "status"),
    [
        (b"", "text/csv", "", 204),
        (ROW, "image/png", "", 415),
        (b"a,b,c,d", "text/csv", "", 415),
        (b"a,b,c,d\n" * 2000, "application/json", "", 415),
        (ROW, "text/csv", "image/png", 406),
        (b"1,2", "text/csv", "", 400),
        (b"1," * 3_000_000, "text/csv", "", 400),
    ],
)
def test_xgboost_refuses(algorithm: ModelServer, body: bytes, content_type: str, accept: str, status: int) -> None:
    assert algorithm.call(body, content_type, accept).status == status


def test_execution_parameters_and_unknown_paths(algorithm: ModelServer) -> None:
    parameters = json.loads(algorithm.call(path="/execution-parameters").body)
    assert parameters == {"MaxConcurrentTransforms": 2, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6}
    assert algorithm.call(path="/nothing").status == 404


def test_xgboost_script(start: Start, booster: tuple[bytes, float]) -> None:
    script = """
import os, xgboost
def model_fn(model_dir):
    model = xgboost.Booster()
    model.load_model(bytearray(open(os.path.join(model_dir, "xgboost-model"), "rb").read()))
    return model
"""
    files = {"xgboost-model": booster[0], "code/serve_it.py": script}
    server = start("xgboost", files, SAGEMAKER_PROGRAM="serve_it.py", SAGEMAKER_SUBMIT_DIRECTORY="/opt/ml/model/code")
    assert float(server.said(ROW, "text/csv")[2]) == pytest.approx(booster[1], rel=1e-5)


@pytest.fixture(scope="module")
def sklearn(start: Start) -> ModelServer:
    return start("sklearn", {"code/inference.py": SUM_SCRIPT})


@pytest.mark.parametrize(
    ("body", "content_type", "accept", "answer"),
    [
        (b"1,1,1", "text/csv", "", b"[6.0]"),
        (b"1,1,1\n1,0,0\n", "text/csv", "text/csv", b"6.0\n1.0\n"),
        (b"[1,1,1]", "application/json", "text/html, text/csv", b"6.0\n"),
        (b"[[1,1,1],[0,0,1]]", "application/json", "*/*", b"[6.0, 3.0]"),
    ],
)
def test_sklearn_codecs(sklearn: ModelServer, body: bytes, content_type: str, accept: str, answer: bytes) -> None:
    status, _, found = sklearn.said(body, content_type, accept)
    # Least squares: equal but for the last digits.
    numbers = [round(float(word), 5) for word in found.decode().strip("[]\n").replace("\n", ",").split(",")]
    wanted = [float(word) for word in answer.decode().strip("[]\n").replace("\n", ",").split(",")]
    assert (status, numbers) == (200, wanted)


def npy(values: str) -> bytes:
    # Not straight to stdout: where that is a buffered pipe, numpy wants to know its position.
    code = (
        f"import io, sys, numpy; file = io.BytesIO(); numpy.save(file, numpy.array({values}), allow_pickle=True)\n"
        "sys.stdout.buffer.write(file.getvalue())"
    )
    return subprocess.run([python("sklearn"), "-c", code], stdout=subprocess.PIPE, check=True).stdout


def test_sklearn_arrays_in_and_out(sklearn: ModelServer) -> None:
    status, content_type, body = sklearn.said(npy("[[1.0, 1.0, 1.0]]"), "application/x-npy", "application/x-npy")
    assert (status, content_type, body[:6]) == (200, "application/x-npy", b"\x93NUMPY")


def test_pickles_in_arrays_are_refused(sklearn: ModelServer) -> None:
    reply = sklearn.call(npy("[{'a': 1}, None], dtype=object"), "application/x-npy")
    assert (reply.status, b"allow_pickle=False" in reply.body) == (500, True)


def test_sklearn_types_it_does_not_know(sklearn: ModelServer) -> None:
    assert sklearn.call(b"1", "image/png").status == 415
    assert sklearn.call(b"1,1,1", "text/csv", "image/png").status == 406


def test_error_of_user_code_is_told_with_its_traceback(start: Start) -> None:
    script = SUM_SCRIPT + "\ndef predict_fn(data, model):\n    raise KeyError('my bug')\n"
    reply = start("sklearn", {"code/inference.py": script}).call(b"1,1,1", "text/csv")
    assert (reply.status, b"my bug" in reply.body, b"inference.py" in reply.body) == (500, True, True)


def test_pytorch_serves_torchscript_without_a_script(start: Start, tmp_path: Path) -> None:
    subprocess.run([python("pytorch"), "-c", TORCHSCRIPT], cwd=tmp_path, check=True)
    server = start("pytorch", {"anything.pt": (tmp_path / "model.pt").read_bytes()})
    assert zipfile.is_zipfile(io.BytesIO((tmp_path / "model.pt").read_bytes()))
    assert server.said(b"[[1, 2.5]]", "application/json") == (200, "application/json", b"[[2.0, 5.0]]")
    assert server.call(b"1", "image/png").status == 500
