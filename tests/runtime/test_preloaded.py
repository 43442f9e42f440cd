"""Model servers that are forked from a process which has imported their framework: faster, and otherwise the same."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.capabilities.endpoints.account import SKLEARN
from tests.servers import CACHE, PATIENCE, wait_until
from tests.serving.artefacts import python

from clary.runtime import sandbox
from clary.runtime.local import LocalBackend
from clary.runtime.workload import Instance, Workload
from clary.serving.server import preload

SCRIPT = b"""
import json
import os
import sys

import numpy

def model_fn(model_dir):
    return None

def transform_fn(model, body, content_type, accept):
    import logging
    return json.dumps({
        "same": {
            "executable": sys.executable,
            "prefix": sys.prefix,
            "path": [each for each in sys.path if "site-packages" in each or "clary" in each or "code" in each],
            "environment": sorted((name, value) for name, value in os.environ.items() if "PORT" not in name),
            "folder": os.getcwd(),
            "user": [os.getuid(), os.listdir("/opt/ml")],
            "level": logging.getLogger().level,
        },
        "preloaded": "sklearn.neural_network" in sys.modules,
        "drawn": numpy.random.random(),
    }), "application/json"
"""

pytestmark = pytest.mark.skipif(sandbox.best() != "namespaces", reason="only where the sandbox is forked")


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[LocalBackend]:
    python("sklearn")
    backend = LocalBackend(tmp_path / "home", environments=CACHE / "environments", slots=8)
    yield backend
    for name in backend.workloads():
        backend.destroy(name)


def start(backend: LocalBackend, name: str, *, preloaded: str = "sklearn", **environment: str) -> dict[str, Any]:
    """What a call of its model says."""
    log = backend.jobs.parent / f"{name}.log"
    log.parent.mkdir(exist_ok=True)
    files = {"/opt/ml/model/code/inference.py": SCRIPT, "/opt/ml/model/code/requirements.txt": b""}
    if not environment.pop("REQUIREMENTS", ""):
        del files["/opt/ml/model/code/requirements.txt"]
    backend.start(
        Workload(
            id=name,
            key=name,
            wake=str(backend.jobs.parent / "nobody.sock"),
            image=SKLEARN,
            purpose="serve",
            environment={"CLARY_FRAMEWORK": "sklearn", "CLARY_CPUS": "1", **environment},
            folders=("/opt/ml/model",),
            instances=(Instance(host="algo-1", log=str(log), files=files),),
            preloaded=preloaded,
        )
    )
    path = backend.socket(name, "algo-1")
    found: list[dict[str, Any]] = []

    def answers() -> bool:
        with socket.socket(socket.AF_UNIX) as line:
            try:
                line.settimeout(PATIENCE)
                line.connect(str(path))
                line.sendall(b"POST /invocations HTTP/1.0\r\ncontent-length: 0\r\n\r\n")
                found.append(json.loads(line.makefile("rb").read().partition(b"\r\n\r\n")[2]))
            except (OSError, ValueError):
                return False
        return True

    wait_until(answers, otherwise=lambda: log.read_text()[-3000:])
    return found[0]


def test_a_forked_server_is_as_an_executed_one(backend: LocalBackend) -> None:
    executed = start(backend, "executed", preloaded="")
    assert not executed["preloaded"]
    forked: list[dict[str, Any]] = []

    def comes_preloaded() -> bool:
        backend.warm(SKLEARN, "sklearn")
        name = f"forked-{len(forked)}"
        forked.append(start(backend, name))
        if not forked[-1]["preloaded"]:
            backend.destroy(name)
        return bool(forked[-1]["preloaded"])

    wait_until(comes_preloaded)
    assert forked[-1]["same"] == executed["same"]
    another = start(backend, "another")
    assert (another["preloaded"], another["drawn"] != forked[-1]["drawn"]) == (True, True)
    own = start(backend, "own", REQUIREMENTS="yes")
    assert (own["preloaded"], own["same"]) == (False, executed["same"])


@pytest.mark.parametrize(
    ("framework", "environment", "suits"),
    [
        ("sklearn", {"SAGEMAKER_PROGRAM": "inference.py"}, True),
        ("sklearn", {"OMP_NUM_THREADS": "4"}, False),
        ("sklearn", {"PYTHONPATH": "/opt/ml/model"}, False),
        ("tensorflow", {}, False),
        ("", {}, False),
    ],
)
def test_what_suits(framework: str, environment: dict[str, str], suits: bool) -> None:
    assert preload.suits(framework, environment) is suits
