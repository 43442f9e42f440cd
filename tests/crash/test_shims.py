"""Shims and the hub of a private network killed: told truthfully, nothing runs twice, nothing stays."""

import os
import random
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.crash import traces
from tests.crash.controllers import Stage
from tests.crash.witness import Witness
from tests.servers import PATIENCE, wait_until

from clary.runtime import network

pytestmark = pytest.mark.timeout(600)

JOBS = 24
KILLED = "InternalServerError: We encountered an internal error."


class Killer(threading.Thread):
    """Kills the shim of each instance once, some time after it appeared: from its first line to its last."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage
        self._over = threading.Event()
        self.killed: set[int] = set()

    def run(self) -> None:
        doomed: dict[int, float] = {}
        while not self._over.wait(0.002):
            for pid in self._shims():
                doomed.setdefault(pid, time.monotonic() + random.uniform(0, 0.2))
            for pid, when in doomed.items():
                if when <= time.monotonic() and pid not in self.killed:
                    self.killed.add(pid)
                    _kill(pid)

    def _shims(self) -> list[int]:
        """Quicker than `traces.shims`, to find them young."""
        jobs = f"{self._stage.home}/jobs/".encode()
        parents: dict[int, int] = {}
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = file.read_bytes().split(b"\0")
                if b"-S" in words[:4] and any(word.startswith(jobs) for word in words):
                    parents[int(file.parent.name)] = _parent(file.parent)
            except OSError:
                continue
        return [pid for pid, parent in parents.items() if parent not in parents]

    def stop(self) -> None:
        self._over.set()
        self.join()


def test_killed_at_random_moments_of_a_job(stage: Stage, witness: Witness) -> None:
    names = [f"job-{number}" for number in range(JOBS)]
    held = set(names[::2])
    witness.let = lambda name: name not in held
    killer = Killer(stage)
    killer.start()
    try:
        for name in names:
            assert stage.create(name)
        stage.until_final(*names)
    finally:
        killer.stop()
    assert killer.killed
    failed = [name for name in names if stage.status(name) == "Failed"]
    assert held <= set(failed)
    assert [name for name in failed if not stage.describe(name)["FailureReason"].startswith(KILLED)] == []
    assert {name: len(stage.finals(name)) for name in names} == dict.fromkeys(names, 1)
    assert [name for name in names if witness.started[name] > 1] == []
    completed = [name for name in names if stage.status(name) == "Completed"]
    witness.hear(len(completed))
    assert [name for name in completed if witness.ended[name] != 1] == []
    stage.assert_no_traces()


@pytest.mark.parametrize("victim", ["shim", "hub", "both"])
def test_killed_in_a_private_network(stage: Stage, victim: str) -> None:
    if not network.private():
        pytest.skip("this machine has no private networks")
    command = {"ContainerEntrypoint": ["/bin/bash", "-c"], "ContainerArguments": ["echo started; exec sleep 600"]}
    stage.create("pair", count=2, algorithm=command)
    wait_until(lambda: _started(stage) == 2, PATIENCE, lambda: f"{stage.describe('pair')}{stage.told()}")
    assert len(networks(stage)) >= 2
    translations = traces.address_translations(stage.home)
    assert bool(translations) == (network.outside() == "nat" and bool(shutil.which("nft")))
    assert translations <= traces.tables()
    victims: list[Any] = traces.shims(stage.home, "pair")[:1] if victim != "hub" else []
    for process in [*victims, *(hubs(stage) if victim != "shim" else [])]:
        _kill(process.pid)
    if victim == "hub":
        stage.sagemaker.stop_training_job(TrainingJobName="pair")
    stage.until_final("pair")
    assert stage.finals("pair") == ["Stopped" if victim == "hub" else "Failed"]
    stage.assert_no_traces()
    wait_until(lambda: not networks(stage), PATIENCE, lambda: str(networks(stage)))
    assert translations.isdisjoint(traces.tables())


def _started(stage: Stage) -> int:
    logs = stage.clary.client("logs")
    group = "/aws/sagemaker/TrainingJobs"
    try:
        found = logs.filter_log_events(logGroupName=group, logStreamNamePrefix="pair/", filterPattern="started")
    except logs.exceptions.ResourceNotFoundException:
        return 0
    return len(found["events"])


def hubs(stage: Stage) -> list[psutil.Process]:
    """Processes that hold the network of a workload of this home."""
    folders = {str(folder.parent) for folder in traces.instances(stage.home)}
    return [each for each in psutil.process_iter() if folders & set(_words(each)) and "-S" in _words(each)]


def networks(stage: Stage) -> set[str]:
    """Network namespaces that processes with something of this home are in, but this test's own."""
    own = str(Path("/proc/self/ns/net").readlink())
    found = set()
    for pid in [*traces.processes(stage.home), *(each.pid for each in hubs(stage))]:
        try:
            found.add(str(Path(f"/proc/{pid}/ns/net").readlink()))
        except OSError:
            continue
    return found - {own}


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _parent(process: Path) -> int:
    """Its process id, from a folder of /proc."""
    return int((process / "stat").read_text().rpartition(")")[2].split()[1])


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
