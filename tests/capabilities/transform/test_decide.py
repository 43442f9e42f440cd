"""What follows for a transform job from what is seen of it."""

from typing import Any

import pytest

from clary.capabilities.jobs.failure import INTERNAL
from clary.capabilities.transform.decide import (
    ALGORITHM,
    CLIENT,
    GONE,
    HOPELESS,
    OUT_OF_MEMORY,
    UNHEALTHY,
    WATCH_SECONDS,
    Seen,
    Step,
    decide,
    ended,
)
from clary.capabilities.transform.drivers import Driver
from clary.resources.reconcile import Become, Wait
from clary.resources.records import Record
from clary.runtime.workload import InstanceState
from clary.serving.batch.job import Result

NOW = 1000.0
RUNNING = InstanceState(host="algo-1", phase="running", started=900.0)
ENDED = InstanceState(host="algo-1", phase="exited", started=900.0, ended=950.0, exit_code=1)
LOST = InstanceState(host="algo-1", phase="lost", started=900.0, ended=950.0, message="Killed.")
DONE = Driver(result=Result(done=1))
STARTED = {"Launched": True, "TransformStartTime": 900.0}


def record(status: str = "InProgress", **state: Any) -> Record:
    return Record(
        id="0" * 24,
        account="123456789012",
        region="us-east-1",
        kind="TransformJob",
        name="j",
        status=status,
        state=state,
        created=1.0,
        modified=1.0,
    )


def seen(*instances: InstanceState, drivers: tuple[Driver, ...] = (Driver(living=True),), **more: Any) -> Seen:
    return Seen(NOW, instances, **{"kept": True, "drivers": drivers} | more)


@pytest.mark.parametrize(
    ("told", "found", "expected"),
    [
        (record(), Seen(NOW), Step.BEGIN),
        (record(), seen(RUNNING, drivers=(Driver(),)), Step.BEGIN),
        (record(**STARTED), seen(RUNNING, drivers=(Driver(),)), Step.DRIVE),
        (record(**STARTED), seen(RUNNING, RUNNING, drivers=(DONE, Driver())), Step.DRIVE),
        (record(**STARTED), seen(RUNNING), Wait(WATCH_SECONDS)),
        (record(**STARTED), seen(RUNNING, drivers=(Driver(living=True, outputs=True),)), Step.DELIVER),
        (record(**STARTED), seen(RUNNING, unread_metrics=True), Step.MEASURE),
        (record(**STARTED), seen(RUNNING, drivers=(DONE,)), Step.FINISH),
        (record(**STARTED), seen(ENDED, drivers=(DONE,)), Step.FINISH),
        (record(**STARTED), seen(RUNNING, drivers=(DONE,), unread_metrics=True), Step.MEASURE),
        (record(**STARTED), seen(ENDED), Step.KILL),
        (record(**STARTED), seen(RUNNING, ENDED, drivers=(Driver(), Driver())), Step.KILL),
        (record(**STARTED), seen(ENDED, drivers=(Driver(),)), Step.FINISH),
        (record(**STARTED), seen(LOST, drivers=(Driver(),)), Step.FINISH),
        (record(**STARTED), seen(RUNNING, drivers=(Driver(hopeless=True),)), Step.KILL),
        (record(**STARTED), Seen(NOW), Step.FINISH),
        (record("Stopping", **STARTED), seen(RUNNING), Step.HALT),
        (record("Stopping", **STARTED), seen(RUNNING, drivers=(Driver(),)), Step.HALT),
        (record("Stopping", **STARTED), seen(ENDED, drivers=(Driver(),)), Step.FINISH),
        (record("Stopping"), Seen(NOW), Step.FINISH),
        (record("Completed"), seen(RUNNING, drivers=(DONE,)), Step.HALT),
        (record("Completed"), seen(ENDED, drivers=(DONE,)), Step.DISCARD),
        (record("Failed"), Seen(NOW), Wait(None)),
    ],
)
def test_what_to_do_next(told: Record, found: Seen, expected: Any) -> None:
    assert decide(told, found) == expected


def test_when_it_began() -> None:
    begun = Become("InProgress", message="Transforming", state={"TransformStartTime": 900.0}, brief=True)
    assert decide(record(Launched=True), seen(RUNNING)) == begun


CLIENTS, ALGORITHMS = (Result(failed=1, done=3, fault=fault) for fault in ("client", "algorithm"))


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (seen(RUNNING, drivers=(DONE, Driver(result=CLIENTS))), CLIENT),
        (seen(RUNNING, drivers=(Driver(result=ALGORITHMS), Driver(result=CLIENTS))), ALGORITHM),
        (seen(RUNNING, drivers=(DONE, Driver(result=Result(unhealthy=True)))), UNHEALTHY),
        (seen(ENDED, drivers=(Driver(),)), ALGORITHM),
        (seen(LOST, drivers=(Driver(),)), f"{INTERNAL} algo-1: Killed. User code is not started a second time."),
        (seen(RUNNING, drivers=(Driver(hopeless=True),)), HOPELESS),
        (
            seen(InstanceState(host="algo-1", phase="exited", cause="memory", exit_code=137), drivers=(Driver(),)),
            OUT_OF_MEMORY,
        ),
        (Seen(NOW), GONE),
    ],
)
def test_why_it_failed(found: Seen, why: str) -> None:
    outcome = ended(record(**STARTED), found)
    state = {"TransformStartTime": 900.0, "TransformEndTime": NOW, "FailureReason": why}
    assert outcome == Become("Failed", message=why, state=state)


def test_how_it_ends() -> None:
    times = {"TransformStartTime": 900.0, "TransformEndTime": NOW}
    done, told = seen(RUNNING, drivers=(DONE,)), "Transform job completed"
    assert ended(record(**STARTED), done) == Become("Completed", message=told, state=times)
    failed = Become("Failed", message="ClientError: no", state=times | {"FailureReason": "ClientError: no"})
    assert ended(record(**STARTED), done, "ClientError: no") == failed
    stopped = Become("Stopped", message="Transform job stopped", state={"TransformEndTime": NOW})
    assert ended(record("Stopping"), Seen(NOW), "whatever") == stopped
