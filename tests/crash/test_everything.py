"""kill -9 of each part of a running Clary in turn, while twenty jobs run, an endpoint is called and jobs are created.

What must hold afterwards is said once, at the end of the test: for each job, each request and each process.
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.capabilities.endpoints.account import SECONDS
from tests.capabilities.training.records import IMAGES, ROLE, request
from tests.crash import traces
from tests.crash.load import Calls, Creations, client
from tests.crash.witness import Witness
from tests.servers import PATIENCE, Clary, wait_until
from tests.serving.artefacts import echo_archive

from clary.cli import up
from clary.settings import Settings

pytestmark = pytest.mark.timeout(600)

JOBS = [f"long-{number}" for number in range(20)]
BUCKET = "crash"
FINAL = ("Completed", "Failed", "Stopped")
KILLED = "InternalServerError: We encountered an internal error."
CLEAR = {
    # The server was gone.
    *("EndpointConnectionError", "ConnectionClosedError", "ReadTimeoutError", "HTTPClientError"),
    # Within its answer.
    "ResponseStreamingError",
    # The model server was.
    *("ServiceUnavailable", "ModelError", "ModelNotReadyException"),
}
"""How a call may fail while parts are being killed."""


class World:
    """A Clary with twenty jobs running and an endpoint in service."""

    def __init__(self, clary: Clary, witness: Witness, folder: Path) -> None:
        self.clary, self.witness = clary, witness
        self.sagemaker = client(clary, "sagemaker")
        s3 = client(clary, "s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.upload_file(str(echo_archive(folder)), BUCKET, "model.tar.gz")
        self._start_jobs()
        self._start_endpoint()

    def _start_jobs(self) -> None:
        output = {"S3OutputPath": f"s3://{BUCKET}/out"}
        for name in JOBS:
            self.sagemaker.create_training_job(**request(name, algorithm=self.witness.command, OutputDataConfig=output))

    def _start_endpoint(self) -> None:
        environment = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_MODEL_SERVER_WORKERS": "2"}
        container = {
            "Image": IMAGES["sklearn"],
            "ModelDataUrl": f"s3://{BUCKET}/model.tar.gz",
            "Environment": environment,
        }
        variant = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        self.sagemaker.create_model(ModelName="m", PrimaryContainer=container, ExecutionRoleArn=ROLE)
        self.sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
        self.sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
        wait_until(lambda: set(JOBS) == set(self.witness.started), PATIENCE, self.told)
        wait_until(lambda: self.endpoint()["EndpointStatus"] != "Creating", SECONDS, self.told)
        assert self.endpoint()["EndpointStatus"] == "InService", self.told()

    def endpoint(self) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName="e")
        return found

    def describe(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_training_job(TrainingJobName=name)
        return found

    def jobs(self, status: str) -> set[str]:
        return self._listed(StatusEquals=status)

    def jobs_named(self, part: str) -> set[str]:
        return self._listed(NameContains=part)

    def _listed(self, **filters: str) -> set[str]:
        pages = self.sagemaker.get_paginator("list_training_jobs").paginate(**filters)
        return {job["TrainingJobName"] for page in pages for job in page["TrainingJobSummaries"]}

    def until_final(self, *names: str) -> None:
        wait_until(lambda: self.jobs("InProgress").isdisjoint(names), PATIENCE, self.told)

    def ids(self) -> set[str]:
        """Of the workloads that are or were here."""
        return {folder.parent.name for folder in traces.instances(self.clary.home)}

    def children(self, module: str) -> list[psutil.Process]:
        """The child of `clary up` that runs a module."""
        every = psutil.Process(self.clary.process.pid).children()
        return [child for child in every if module in child.cmdline()]

    def server_workers(self) -> list[psutil.Process]:
        """Those that answer requests, below the process that watches them."""
        (parent,) = self.children("clary.workers")
        return [child for child in parent.children() if "resource_tracker" not in " ".join(child.cmdline())]

    def model_workers(self) -> list[psutil.Process]:
        """The workers inside the endpoint's sandbox."""
        inside = [each for shim in self.endpoint_shims() for each in shim.children(recursive=True)]
        servers = [each for each in inside if "clary.serving.server" in each.cmdline()]
        return [child for server in servers for child in server.children() if child in inside and _leaf(child)]

    def endpoint_shims(self) -> list[psutil.Process]:
        return traces.shims(self.clary.home, "serve")

    def everything(self) -> list[psutil.Process]:
        """All of `clary up`."""
        parent = psutil.Process(self.clary.process.pid)
        return [parent, *parent.children(recursive=True)]

    def told(self) -> str:
        return self.clary.log.read_text()[-6000:]


@pytest.fixture
def witness() -> Iterator[Witness]:
    with Witness(lambda name: name.startswith("more-")) as witness:
        yield witness


@pytest.fixture
def world(witness: Witness) -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="clary-") as folder, Clary(Path(folder) / "home", slots="64") as clary:
        yield World(clary.start(), witness, Path(folder))


def test_each_part_killed_in_turn(world: World) -> None:
    clary, witness = world.clary, world.witness
    left = list(JOBS)
    completed: list[str] = []
    ids = world.ids()
    with Calls(clary, "e") as calls, Creations(clary, witness, f"s3://{BUCKET}/out") as creations:

        def survive(kill: Callable[[], None]) -> None:
            """Two jobs end while it happens; afterwards all is as if nothing had been."""
            ending = [left.pop(), left.pop()]
            completed.extend(ending)
            witness.release(*ending)
            kill()
            wait_until(lambda: answers(clary), PATIENCE, world.told)
            calls.answered()
            creations.ended()
            world.until_final(*ending)
            assert world.jobs("Completed") >= set(completed), world.told()
            assert world.jobs("InProgress") >= set(left), world.told()
            ids.update(world.ids())

        calls.answered()
        survive(lambda: kill(world.server_workers()))
        survive(lambda: kill(world.children("clary.workers")))
        survive(lambda: kill(world.children("clary.controller")))

        lost = left.pop()
        kill(traces.shims(clary.home, lost))
        world.until_final(lost)
        failed = world.describe(lost)
        assert failed["TrainingJobStatus"] == "Failed"
        assert failed["FailureReason"].startswith(KILLED)

        survive(lambda: kill(world.model_workers()[:1]))
        survive(lambda: kill(world.endpoint_shims()))
        survive(lambda: restart(world))

        # The machine: what ran on it is lost, and said to be.
        restart(world, machine=True)
        creations.lost()
        world.until_final(*left)
        calls.answered()
        creations.ended()
        ids.update(world.ids())
    assert world.endpoint()["EndpointStatus"] == "InService"

    # Every call had its own answer or a clear error.
    assert set(calls.outcomes) - {"own"} <= CLEAR, calls.outcomes
    # Every accepted job was kept, ran once and came to its one end.
    wait_until(lambda: not world.jobs("InProgress"), PATIENCE, world.told)
    unanswered = [name for name in creations.unanswered if name in world.jobs_named("more-")]
    every = (*JOBS, *creations.accepted, *unanswered)
    statuses = {name: world.describe(name)["TrainingJobStatus"] for name in every}
    assert {name for name in JOBS if statuses[name] == "Completed"} == set(completed)
    assert {name for name in JOBS if statuses[name] == "Failed"} == {lost, *left}
    assert [name for name in left if not world.describe(name)["FailureReason"].startswith(KILLED)] == []
    # Only the machine's restart may have taken a short job with it.
    taken = {name for name in every if name not in JOBS and statuses[name] != "Completed"}
    assert all(world.describe(name)["FailureReason"].startswith(KILLED) for name in taken)
    assert [name for name, count in witness.started.items() if count != 1] == []
    for name in every:
        told = [entry["Status"] for entry in world.describe(name)["SecondaryStatusTransitions"]]
        assert sum(status in FINAL for status in told) == 1, (name, told)
    assert creations.refused.keys() <= {"ServiceUnavailable"}, creations.refused

    # And nothing stays behind.
    assert traces.processes(clary.home)
    assert traces.control_groups(ids) or not traces.limits.groups().memory
    world.sagemaker.delete_endpoint(EndpointName="e")
    world.sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="e", WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    wait_until(lambda: not world.ids(), PATIENCE, lambda: str(world.ids()))
    wait_until(lambda: not traces.processes(clary.home), PATIENCE, lambda: str(traces.processes(clary.home)))
    assert (traces.mounts(clary.home), traces.control_groups(ids)) == ([], [])
    wait_until(lambda: not any((clary.home / "jobs").iterdir()))
    assert "Traceback" not in world.clary.log.read_text()
    print(
        {
            "unanswered": (len(unanswered), len(creations.unanswered)),
            "calls": dict(calls.outcomes),
            "created": len(creations.accepted),
            "taken": sorted(taken),
        }
    )


def kill(victims: list[psutil.Process]) -> None:
    """kill -9, and wait for the end of each."""
    assert victims
    for victim in victims:
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.kill()
    psutil.wait_procs(victims, PATIENCE)


def restart(world: World, *, machine: bool = False) -> None:
    """All of `clary up` at once, on a restart of the `machine` all instances too, and `clary up` again."""
    clary, victims = world.clary, world.everything()
    # Stopped first, so that nobody sees another one's end and acts on it.
    for victim in victims:
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.suspend()
    kill([*victims, *(traces.shims(clary.home) if machine else [])])
    clary.process.wait(PATIENCE)
    assert "Traceback" not in clary.log.read_text(), clary.log.read_text()
    clary.start()


def answers(clary: Clary) -> bool:
    return up.healthy(Settings(home=clary.home, port=clary.port))


def _leaf(process: psutil.Process) -> bool:
    return not process.children() and "resource_tracker" not in " ".join(process.cmdline())
