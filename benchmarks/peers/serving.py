"""The model servers Clary's endpoints are measured beside: how each is started and asked, as its manual has it."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers import free_port

from benchmarks import peers
from benchmarks.processes import Server, running

Row = Mapping[str, Any]
"""`names`, `row` and `expected`, as `train_model.py` wrote them."""


@dataclass(frozen=True, slots=True)
class Peer:
    """`command` takes the port and the folder of the models; `body` is one row as the server wants it."""

    name: str
    health: str
    path: str
    content_type: str
    command: Callable[[int, Path], list[str]]
    body: Callable[[Row], str]

    def request(self, port: int, row: Row) -> bytes:
        body = self.body(row).encode()
        head = f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: {self.content_type}\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def csv(row: Row) -> str:
    return ",".join(map(str, row["row"]))


def _mlflow(port: int, models: Path) -> list[str]:
    program = str(peers.environment("mlflow") / "bin/mlflow")
    return [program, "models", "serve", "-m", str(models / "mlflow"), "-p", str(port), "--env-manager", "local"]


def _bentoml(port: int, models: Path) -> list[str]:
    program = str(peers.environment("bentoml") / "bin/bentoml")
    return [program, "serve", "bentoml_service:Model", "--working-dir", str(peers.HERE), "-p", str(port)]


def _litserve(port: int, models: Path) -> list[str]:
    return [str(peers.environment("litserve") / "bin/python"), str(peers.HERE / "litserve_app.py"), str(port)]


def _mlserver(port: int, models: Path) -> list[str]:
    folder = models / "mlserver"
    folder.mkdir()
    settings = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port(), "host": "127.0.0.1"}
    model = {
        "name": "model",
        "implementation": "mlserver_xgboost.XGBoostModel",
        "parameters": {"uri": str(models / "model.json")},
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(model))
    return [str(peers.environment("mlserver") / "bin/mlserver"), "start", str(folder)]


def _tensor(row: Row) -> str:
    tensor = {"name": "rows", "shape": [1, len(row["row"])], "datatype": "FP32", "data": row["row"]}
    return json.dumps({"inputs": [tensor]})


PEERS = (
    Peer("mlflow", "/ping", "/invocations", "text/csv", _mlflow, lambda row: f"{','.join(row['names'])}\n{csv(row)}\n"),
    Peer("bentoml", "/readyz", "/predict", "text/plain", _bentoml, csv),
    Peer("litserve", "/health", "/predict", "application/json", _litserve, lambda row: json.dumps({"row": csv(row)})),
    Peer("mlserver", "/v2/models/model/ready", "/v2/models/model/infer", "application/json", _mlserver, _tensor),
)


@contextmanager
def all_running(models: Path) -> Iterator[list[tuple[Peer, Server]]]:
    """Every peer with the models of `train_model.py`, each started by its own documented command."""
    with ExitStack() as stack:
        started = []
        for peer in PEERS:
            port = free_port()
            command = peer.command(port, models)
            # Each program finds its own environment's others, as in an activated one.
            environ = {
                "BENCH_MODEL": str(models / "model.json"),
                "PATH": f"{Path(command[0]).parent}:{os.environ['PATH']}",
                "BENTOML_DO_NOT_TRACK": "true",
                "MLFLOW_DISABLE_TELEMETRY": "true",
            }
            server = stack.enter_context(running(peer.name, command, port, models, peer.health, environ))
            started.append((peer, server))
        yield started
