"""Model servers as plain processes of the managed environments, each with a model folder of its own."""

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil
import pytest
from tests.servers import PATIENCE, REPOSITORY, wait_until
from tests.serving.artefacts import python

from clary.serving.http import Pool, request_bytes
from clary.serving.reply import Reply


@dataclass
class ModelServer:
    process: subprocess.Popen[bytes]
    socket: Path
    log: Path

    def call(
        self,
        body: bytes = b"",
        content_type: str = "",
        accept: str = "",
        path: str = "/invocations",
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Reply:
        """One request on a connection of its own."""
        import asyncio

        given = {"content-type": content_type, "accept": accept, **headers}
        sent = [pair for pair in given.items() if pair[1]]

        async def ask() -> Reply:
            pool = Pool(self.socket, 1 << 24)
            method = "POST" if path == "/invocations" else "GET"
            reply = await pool.send(request_bytes(method, path, sent, body), PATIENCE)
            pool.close()
            return reply

        return asyncio.run(ask())

    def said(self, body: bytes, content_type: str, accept: str = "") -> tuple[int, str, bytes]:
        reply = self.call(body, content_type, accept)
        return reply.status, reply.headers.get("content-type", ""), reply.body

    def healthy(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        try:
            return self.call(path="/ping").status == 200
        except Exception:
            return False

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()


Start = Callable[..., ModelServer]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """`start(framework, files, **environment)`: files by their path below the model folder."""
    servers: list[ModelServer] = []

    def run(framework: str, files: Mapping[str, bytes | str], *, wait: bool = True, **environment: str) -> ModelServer:
        base = tmp_path_factory.mktemp(framework)
        for name, content in files.items():
            file = base / "model" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        server = _run(framework, base, environment)
        servers.append(server)
        if wait:
            wait_until(server.healthy, PATIENCE, lambda: server.log.read_text()[-3000:])
        return server

    yield run
    for server in servers:
        server.process.terminate()
        server.process.wait(PATIENCE)


def _run(framework: str, base: Path, environment: Mapping[str, Any]) -> ModelServer:
    ours = {
        "PYTHONPATH": str(REPOSITORY / "src"),
        "CLARY_FRAMEWORK": framework,
        "SAGEMAKER_BASE_DIR": str(base),
        "CLARY_SOCKET": str(base / "serve.sock"),
    }
    (base / "model").mkdir(exist_ok=True)
    command = [python(framework), "-m", "clary.serving.server"]
    with (base / "log").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | ours | environment, stdout=log, stderr=log)
    return ModelServer(process, base / "serve.sock", base / "log")
