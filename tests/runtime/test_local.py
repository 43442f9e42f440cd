"""LocalBackend on each rung of the sandbox ladder that this machine offers."""

import socket
from pathlib import Path

import psutil
import pytest
from tests.runtime.backend_conformance import SLOTS, BackendConformance, until
from tests.runtime.entering_conformance import EnteringConformance

from clary.runtime import sandbox
from clary.runtime.backend import Backend
from clary.runtime.local import LocalBackend
from clary.runtime.sandbox import Rung
from clary.runtime.workload import Instance, Workload


class OnRung(EnteringConformance, BackendConformance):
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


def test_a_killed_nursery_takes_no_shim_with_it_and_is_replaced(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path)
    try:
        backend.start(_sleeper("first", tmp_path))
        until(lambda: _phase(backend, "first") == "running")
        for each in _nurseries():
            each.kill()
            each.wait()
        backend.start(_sleeper("second", tmp_path))
        until(lambda: _phase(backend, "second") == "running")
        assert _phase(backend, "first") == "running"
        assert len(_nurseries()) == 1
    finally:
        backend.destroy("first")
        backend.destroy("second")


def _sleeper(name: str, home: Path) -> Workload:
    return Workload(
        id=name,
        key=name,
        wake=str(home / "wake"),
        image="",
        purpose="process",
        entrypoint=("sleep", "600"),
        instances=(Instance(host="algo-1", log=str(home / f"{name}.log")),),
    )


def _phase(backend: Backend, name: str) -> str:
    return backend.observe(name).instances[0].phase


def _nurseries() -> list[psutil.Process]:
    """Of this process, those that live."""
    every = psutil.Process().children()
    return [each for each in every if "shim.nursery" in " ".join(_words(each))]


def _words(process: psutil.Process) -> list[str]:
    """None of one that has just ended."""
    try:
        return process.cmdline() if process.status() != psutil.STATUS_ZOMBIE else []
    except psutil.Error:
        return []


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
