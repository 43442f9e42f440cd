"""LocalBackend on each rung of the sandbox ladder that this machine offers."""

import socket
from pathlib import Path

import pytest
from tests.runtime.backend_conformance import SLOTS, BackendConformance, until

from clary.runtime import sandbox
from clary.runtime.backend import Backend
from clary.runtime.local import LocalBackend
from clary.runtime.sandbox import Rung
from clary.runtime.workload import Instance, Workload


class OnRung(BackendConformance):
    rung: Rung

    def backend(self, home: Path) -> Backend:
        if not sandbox.works(self.rung):
            pytest.skip(f"this machine does not allow {self.rung}")
        return LocalBackend(home, rung=self.rung, slots=SLOTS)


def test_a_socket_can_be_reached_however_long_the_homes_path_is(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path / ("h" * 100))
    workload = Workload(
        id="served",
        key="key",
        wake=str(tmp_path / "wake"),
        image="",
        purpose="serve",
        entrypoint=("python", "-c", SERVE),
        instances=(Instance(host="algo-1", log=str(tmp_path / "log")),),
    )
    backend.start(workload)
    try:
        path = backend.socket("served", "algo-1")
        until(path.exists)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            assert client.recv(10) == b"hello"
    finally:
        backend.destroy("served")
    assert not path.parent.exists() and not path.parent.is_symlink()


SERVE = """
import socket
server = socket.socket(socket.AF_UNIX)
server.bind("/opt/clary/run/serve.tmp")
server.listen()
import os
os.rename("/opt/clary/run/serve.tmp", "/opt/clary/run/serve.sock")
server.accept()[0].sendall(b"hello")
"""


class TestBubblewrap(OnRung):
    rung = "bubblewrap"


class TestNamespaces(OnRung):
    rung = "namespaces"


class TestPlain(OnRung):
    rung = "plain"
    sandboxed = False
