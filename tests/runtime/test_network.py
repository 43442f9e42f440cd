"""What instances reach over the network: each other, Clary, the outside, or nothing."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from tests.runtime.backend_conformance import Bench, until

from clary.runtime import network, sandbox
from clary.runtime.local import LocalBackend
from clary.runtime.sandbox import Rung
from clary.runtime.shim import hub


@pytest.fixture(params=["bubblewrap", "namespaces"])
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    rung: Rung = request.param
    if not sandbox.works(rung):
        pytest.skip(f"this machine does not allow {rung}")
    bench = Bench(lambda: LocalBackend(tmp_path, rung=rung, slots=8), tmp_path)
    yield bench
    for identity in bench.started:
        bench.make().destroy(identity)


@pytest.fixture
def listener() -> Iterator["Listener"]:
    with Listener() as found:
        yield found


class Listener:
    """A TCP server on the machine's loopback that answers `clary` and remembers what it was sent."""

    def __enter__(self) -> "Listener":
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.heard: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.sock.accept()
            except OSError:
                return
            with connection:
                self.heard.append(connection.recv(100))
                connection.sendall(b"clary" * 100_000)


CALL = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=60) as sock:
    sock.sendall(b"hello")
    sock.shutdown(socket.SHUT_WR)
    print(sum(len(part) for part in iter(lambda: sock.recv(65536), b"")))
"""

MEET = """
import os, socket, time
peer = {"algo-1": "algo-2", "algo-2": "algo-1"}[os.environ["HOSTNAME"]]
server = socket.create_server(("0.0.0.0", 8080))
end = time.time() + 60
while True:
    try:
        out = socket.create_connection((peer, 8080), timeout=1)
        break
    except OSError:
        assert time.time() < end
        time.sleep(0.02)
out.sendall(os.environ["HOSTNAME"].encode())
out.shutdown(socket.SHUT_WR)
come, _ = server.accept()
cards = {name for _, name in socket.if_nameindex()} & {"lo", "eth0"}
print(come.recv(100).decode(), socket.gethostname(), sorted(cards))
"""

PROBE = """
import socket, sys
port = int(sys.argv[1])
for family, kind, address in (
    (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", port)),
    (socket.AF_INET, socket.SOCK_STREAM, (sys.argv[2], port)),
    (socket.AF_INET, socket.SOCK_DGRAM, (sys.argv[2], 53)),
    (socket.AF_INET, socket.SOCK_STREAM, ("169.254.169.254", 80)),
    (socket.AF_INET6, socket.SOCK_STREAM, ("::1", port)),
    (socket.AF_UNIX, socket.SOCK_STREAM, "\\0clary-abstract-" + str(port)),
):
    try:
        with socket.socket(family, kind) as sock:
            sock.settimeout(1)
            sock.connect(address)
            sock.send(b"escaped")
            print("reached", address)
    except OSError:
        print("refused")
"""


def _machine_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("203.0.113.1", 9))
        return str(sock.getsockname()[0])


def test_one_instance_reaches_clary(bench: Bench, listener: Listener) -> None:
    state, lines = bench.run("python", "-c", CALL, arguments=(str(listener.port),))
    assert (state.exit_code, lines, listener.heard) == (0, ["500000"], [b"hello"])


def test_an_isolated_instance_reaches_nothing(bench: Bench, listener: Listener) -> None:
    with socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(f"\0clary-abstract-{listener.port}")
        abstract.listen()
        arguments = (str(listener.port), _machine_address())
        endpoint = f"http://127.0.0.1:{listener.port}"
        _, lines = bench.run("python", "-c", PROBE, arguments=arguments, isolated=True, endpoint=endpoint)
    assert lines == ["refused"] * 6
    assert listener.heard == []


@pytest.mark.parametrize("isolated", [False, True])
def test_instances_use_the_same_port_and_call_each_other_by_name(bench: Bench, isolated: bool) -> None:
    if not network.private():
        pytest.skip("this machine allows no network namespaces")
    identity = bench.start("python", "-c", MEET, hosts=2, isolated=isolated)
    assert [state.exit_code for state in bench.ended(identity)] == [0, 0], bench.lines(identity)
    assert bench.lines(identity, "algo-1") == ["algo-2 algo-1 ['eth0', 'lo']"]
    assert bench.lines(identity, "algo-2") == ["algo-1 algo-2 ['eth0', 'lo']"]


def test_several_instances_reach_clary_on_the_machines_loopback(bench: Bench, listener: Listener) -> None:
    endpoint = f"http://127.0.0.1:{listener.port}"
    identity = bench.start("python", "-c", CALL, arguments=(str(listener.port),), hosts=2, endpoint=endpoint)
    assert [state.exit_code for state in bench.ended(identity)] == [0, 0], bench.lines(identity)
    assert (bench.lines(identity, "algo-1"), bench.lines(identity, "algo-2")) == (["500000"], ["500000"])


def test_several_isolated_instances_reach_nobody_else(bench: Bench, listener: Listener) -> None:
    arguments = (str(listener.port), _machine_address())
    endpoint = f"http://127.0.0.1:{listener.port}"
    identity = bench.start("python", "-c", PROBE, arguments=arguments, hosts=2, isolated=True, endpoint=endpoint)
    bench.ended(identity)
    if not network.private():
        pytest.skip("this machine allows no network namespaces")
    assert bench.lines(identity) == ["refused"] * 6
    assert listener.heard == []


def test_a_network_leaves_nothing_behind(bench: Bench) -> None:
    identity = bench.start("/bin/sleep", "60", hosts=3)
    until(lambda: all(state.phase == "running" for state in bench.backend.observe(identity).instances))
    family = _family(bench.home / "jobs" / identity)
    assert len(family) > 3
    bench.backend.destroy(identity)
    until(lambda: not any(process.is_running() for process in family))
    assert _family(bench.home / "jobs" / identity) == set()


def test_a_killed_hub_leaves_no_rules_after_destroy(bench: Bench) -> None:
    if network.outside() != "nat" or not shutil.which("nft"):
        pytest.skip("no translation by nft on this machine")
    identity = bench.start("/bin/sleep", "60", hosts=2)
    until(lambda: all(state.phase == "running" for state in bench.backend.observe(identity).instances))
    folder = bench.home / "jobs" / identity
    table = json.loads((folder / hub.NAME).read_text())["close"][0][-1].removeprefix("delete table ip ")
    assert table in _tables()
    os.kill(json.loads((folder / hub.READY).read_text())["pid"], signal.SIGKILL)
    bench.backend.destroy(identity)
    assert table not in _tables()


def _tables() -> str:
    return subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout


def _family(folder: Path) -> set[psutil.Process]:
    """The shims and the hub of a workload, and all that they started: connectors, sandboxes and what is inside."""
    tops = [process for process in psutil.process_iter() if any(str(folder) in word for word in _words(process))]
    return {each for top in tops for each in (top, *_below(top))}


def _words(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return process.cmdline()
    return []


def _below(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return process.children(recursive=True)
    return []


def test_jobs_that_share_the_machines_network_meet_at_ports_of_their_own(bench: Bench) -> None:
    alone = [bench.workload("true") for _ in range(2)]
    given = [network.ports(workload, "bubblewrap") for workload in alone]
    assert given[0] == network.ports(alone[0], "plain") != given[1]
    assert {int(port) in network.MEETING_PORTS for found in given for port in found.values()} == {True}
    assert len({port for found in given for port in found.values()}) == 4
    isolated = bench.workload("true", isolated=True)
    assert network.ports(isolated, "bubblewrap") == {}
    _, lines = bench.run("sh", "-c", "echo $CLARY_MASTER_PORT $DMLC_TRACKER_PORT")
    first, second = map(int, lines[0].split())
    assert second == first + 1
