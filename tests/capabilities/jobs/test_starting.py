"""The start that most kinds of jobs share: what it makes of what goes wrong, and its place in the line for room."""

from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path

import pytest
from tests.capabilities.training.records import job

from clary.capabilities.instances import NoCapacity
from clary.capabilities.jobs.items import BadData
from clary.capabilities.jobs.line import ROOM_SECONDS, Line
from clary.capabilities.jobs.reconcile import ASK_AGAIN_SECONDS, JobReconciler
from clary.capabilities.jobs.starting import StartedAtOnce
from clary.capabilities.training.kind import TRAINING_JOB
from clary.objects import Objects
from clary.resources.reconcile import Become, Outcome, Wait
from clary.resources.store import Store
from clary.resources.wake import Wake
from clary.runtime.backend import Away, Backend
from clary.runtime.environments import BuildFailed
from clary.runtime.images import UnknownImage
from clary.runtime.local import LocalBackend
from clary.runtime.workload import Limits, Workload
from clary.settings import Settings
from clary.wire.context import Parts

UNBUILT = "InternalServerError: The runtime of the image cannot be built: "


class Step(Enum):
    BEGIN = "start"
    KILL = "end"


class Work(StartedAtOnce[Step]):
    """It starts nothing, and does what `chosen` says."""

    starts = Step.BEGIN
    chosen = Step.BEGIN
    trouble: Exception | None = None

    def decide(self) -> Become | Wait | Step:
        return self.chosen

    def acts(self) -> dict[Step, Callable[[], Outcome]]:
        return {Step.BEGIN: self.begin, Step.KILL: self.kill}

    def types(self) -> list[str]:
        return ["ml.m5.large"]

    def images(self) -> list[str]:
        if self.trouble:
            raise self.trouble
        return []

    def stage(self) -> None: ...

    def workloads(self, limits: Limits) -> list[Workload]:
        return []

    def give_up(self, why: str) -> Become:
        return Become("Failed", message=why)


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    """With room for one instance."""
    store = Store(f"sqlite:///{tmp_path / 'clary.db'}")
    yield Parts(Settings(home=tmp_path), store, Wake(tmp_path), LocalBackend(tmp_path, slots=1), Line(), Objects())
    store.close()


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        (BadData("no object"), Become("Failed", message="ClientError: no object")),
        (NoCapacity("CapacityError: none"), Become("Failed", message="CapacityError: none")),
        (BuildFailed("no compiler"), Become("Failed", message=f"{UNBUILT}no compiler")),
        (UnknownImage("whose?"), Become("Failed", message=f"{UNBUILT}whose?")),
        (Away("no node"), Wait(ROOM_SECONDS)),
    ],
)
def test_whose_fault_it_is_that_a_job_cannot_start(parts: Parts, trouble: Exception, expected: Outcome) -> None:
    failing = type("Failing", (Work,), {"trouble": trouble})
    assert JobReconciler(TRAINING_JOB, failing).reconcile(job(), parts) == expected


def test_a_job_without_room_is_in_line_until_it_does_something_else(parts: Parts) -> None:
    record, line = job(), parts.need(Line)
    backend: Backend = parts.need(Backend)  # type: ignore[type-abstract]
    with backend.room("another", 1, 0):
        assert JobReconciler(TRAINING_JOB, Work).reconcile(record, parts) == Wait(ROOM_SECONDS)
    assert line.heads() == [record.id]
    killed = type("Killed", (Work,), {"chosen": Step.KILL})
    assert JobReconciler(TRAINING_JOB, killed).reconcile(record, parts) == Wait(ASK_AGAIN_SECONDS)
    assert line.heads() == []


def test_what_is_started_is_said_once_all_of_it_is(parts: Parts) -> None:
    started = JobReconciler(TRAINING_JOB, Work).reconcile(job(), parts)
    assert isinstance(started, Become)
    assert (started.status, started.state, started.brief) == ("InProgress", {"Launched": True}, True)
