"""The model servers that Clary's is measured beside: how each is started and asked, as its manual has it."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.servers import free_port

from benchmarks import peers
from benchmarks.processes import Server, running

Kind = Literal["xgboost", "sklearn"]
Rows = Mapping[str, Any]
"""`names`, `rows` and `expected` by kind, as `train_model.py` wrote them."""

MODELS: Mapping[Kind, str] = {"xgboost": "model.json", "sklearn": "model.joblib"}


@dataclass(frozen=True, slots=True)
class Peer:
    """`command` takes the port, the folder of the models and the kind; `body` is rows as the server wants them."""

    name: str
    health: str
    path: str
    content_type: str
    command: Callable[[int, Path, Kind], list[str]]
    body: Callable[[Rows], str]

    def request(self, port: int, rows: Rows) -> bytes:
        body = self.body(rows).encode()
        head = f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: {self.content_type}\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def csv(rows: Rows) -> str:
    return "\n".join(",".join(map(str, row)) for row in rows["rows"])


def _mlflow(port: int, models: Path, kind: Kind) -> list[str]:
    program = str(peers.environment("mlflow") / "bin/mlflow")
    return [program, "models", "serve", "-m", str(models / f"mlflow-{kind}"), "-p", str(port), "--env-manager", "local"]


def _bentoml(port: int, models: Path, kind: Kind) -> list[str]:
    program = str(peers.environment("bentoml") / "bin/bentoml")
    return [program, "serve", "bentoml_service:Model", "--working-dir", str(peers.HERE), "-p", str(port)]


def _litserve(port: int, models: Path, kind: Kind) -> list[str]:
    return [str(peers.environment("litserve") / "bin/python"), str(peers.HERE / "litserve_app.py"), str(port)]


def _rayserve(port: int, models: Path, kind: Kind) -> list[str]:
    return [str(peers.environment("rayserve") / "bin/python"), str(peers.HERE / "rayserve_app.py"), str(port)]


def _mlserver(port: int, models: Path, kind: Kind) -> list[str]:
    folder = models / f"mlserver-{kind}"
    folder.mkdir()
    settings = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port(), "host": "127.0.0.1"}
    runtime = {"xgboost": "mlserver_xgboost.XGBoostModel", "sklearn": "mlserver_sklearn.SKLearnModel"}[kind]
    model = {"name": "model", "implementation": runtime, "parameters": {"uri": str(models / MODELS[kind])}}
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(model))
    return [str(peers.environment("mlserver") / "bin/mlserver"), "start", str(folder)]


def _tensor(rows: Rows) -> str:
    values = [value for row in rows["rows"] for value in row]
    shape = [len(rows["rows"]), len(rows["names"])]
    return json.dumps({"inputs": [{"name": "rows", "shape": shape, "datatype": "FP32", "data": values}]})


def _with_names(rows: Rows) -> str:
    return f"{','.join(rows['names'])}\n{csv(rows)}\n"


PEERS = (
    Peer("mlflow", "/ping", "/invocations", "text/csv", _mlflow, _with_names),
    Peer("bentoml", "/readyz", "/predict", "text/plain", _bentoml, csv),
    Peer(
        "litserve", "/health", "/predict", "application/json", _litserve, lambda rows: json.dumps({"rows": csv(rows)})
    ),
    Peer("mlserver", "/v2/models/model/ready", "/v2/models/model/infer", "application/json", _mlserver, _tensor),
    Peer("rayserve", "/-/healthz", "/predict", "text/csv", _rayserve, csv),
)
VERSIONS = {"rayserve": "ray"}
"""Packages that are not called as their peer."""


@contextmanager
def all_running(models: Path, kind: Kind) -> Iterator[list[tuple[Peer, Server]]]:
    """Every peer with a model of `train_model.py`, each started by its own documented command."""
    with ExitStack() as stack:
        started = []
        for peer in PEERS:
            port = free_port()
            command = peer.command(port, models, kind)
            # Each program finds its own environment's others, as in an activated one.
            environ = {
                "BENCH_KIND": kind,
                "BENCH_MODEL": str(models / MODELS[kind]),
                "PATH": f"{Path(command[0]).parent}:{os.environ['PATH']}",
                "PYTHONPATH": str(peers.HERE),
                "BENTOML_DO_NOT_TRACK": "true",
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "RAY_USAGE_STATS_ENABLED": "0",
            }
            server = stack.enter_context(running(peer.name, command, port, models, peer.health, environ))
            started.append((peer, server))
        yield started
