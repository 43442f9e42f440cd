"""What decides over a job's several runs, deadlines and warm pool, as a table."""

from dataclasses import replace
from typing import Any

import pytest
from tests.capabilities.training.records import job

from clary.capabilities.training import runs, warm
from clary.capabilities.training.decide import WATCH_SECONDS, Seen, Step, decide, fail, moved, uploaded
from clary.resources.reconcile import Become, Wait
from clary.runtime.workload import InstanceState

NOW = 1200.0
SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 700},
}
PENDING = {"StoppingCondition": {"MaxRuntimeInSeconds": 600, "MaxPendingTimeInSeconds": 1800}}
RETRY = {"RetryStrategy": {"MaximumRetryAttempts": 2}}
WARM = {
    "ResourceConfig": {
        "InstanceType": "ml.m5.large",
        "InstanceCount": 1,
        "VolumeSizeInGB": 10,
        "KeepAlivePeriodInSeconds": 60,
    }
}
RUNNING = InstanceState(host="algo-1", phase="running", started=1010.0)
DONE = InstanceState(host="algo-1", phase="exited", started=1010.0, ended=1100.0, exit_code=0)
STOPPED = InstanceState(host="algo-1", phase="exited", started=1010.0, ended=1100.0, exit_code=143, cause="stopped")
LOST = InstanceState(host="algo-1", phase="lost", started=1010.0, message="The shim was killed.")
WHY = (
    "InternalServerError: We encountered an internal error. Please try again. algo-1: The shim was killed. "
    "User code is not started a second time."
)
INTERRUPTED = moved("InProgress", "Interrupted", "Spot capacity was reclaimed. Interrupting the training job")
NEW_RUN = {
    "RunStartTime": None,
    "Halted": False,
    "ReclaimAt": None,
    "Progress": "",
    "MetricsRead": {},
    "HostMetricsRead": {},
    "Over": True,
}
LAUNCHING = "Launching requested ML instances"


def seen(*instances: InstanceState, now: float = NOW, **more: Any) -> Seen:
    return Seen(now=now, instances=instances, kept=bool(instances), **more)


def at(detail: str, **state: Any) -> dict[str, Any]:
    return {"SecondaryStatus": detail, **state}


BEGUN = at("Training", TrainingStartTime=1010.0)
HALTED = at("Interrupted", TrainingStartTime=1010.0, Halted=True)
UPLOADING = replace(
    moved(
        "InProgress",
        "Uploading",
        "Uploading generated training model",
        TrainingEndTime=1100.0,
        TrainingStartTime=1010.0,
        TimedOut=False,
    ),
    brief=True,
)


@pytest.mark.parametrize(
    ("spec", "state", "found", "expected"),
    [
        # Interruption.
        (SPOT, BEGUN, seen(RUNNING), Wait(WATCH_SECONDS)),
        (SPOT, BEGUN, seen(RUNNING, interrupted=True), INTERRUPTED),
        ({}, BEGUN, seen(RUNNING, interrupted=True), Wait(WATCH_SECONDS)),
        (SPOT, BEGUN | {"ReclaimAt": NOW}, seen(RUNNING), INTERRUPTED),
        (SPOT, BEGUN | {"ReclaimAt": NOW + 2}, seen(RUNNING), Wait(2.0)),
        (SPOT, at("Interrupted"), seen(RUNNING), Step.STOP),
        (SPOT, HALTED, seen(RUNNING), Wait(WATCH_SECONDS)),
        (SPOT, HALTED, seen(STOPPED, unread_metrics=True), Step.MEASURE),
        (SPOT, HALTED, seen(STOPPED, unsynced=True), Wait(WATCH_SECONDS)),
        (
            SPOT,
            HALTED,
            seen(STOPPED),
            Become("InProgress", "Starting", LAUNCHING, {"SecondaryStatus": "Starting", **NEW_RUN, "RanSeconds": 90.0}),
        ),
        # Whoever ended before the SIGTERM has ended.
        (SPOT, HALTED, seen(DONE), UPLOADING),
        # The next run.
        (SPOT, at("Starting", Over=True, RanSeconds=90.0), seen(), Step.CLEAR),
        (SPOT, at("Starting", Over=False, RanSeconds=90.0), seen(), Step.PREPARE),
        (
            SPOT,
            at("Downloading", TrainingStartTime=1010.0, RanSeconds=90.0),
            seen(InstanceState(host="algo-1", phase="running", started=1190.0), reclaim_after=60.0),
            replace(
                moved(
                    "InProgress",
                    "Training",
                    "Training image download completed. Training in progress.",
                    TrainingStartTime=1010.0,
                    RunStartTime=1190.0,
                    ReclaimAt=1250.0,
                ),
                brief=True,
            ),
        ),
    ],
)
def test_spot(spec: dict[str, Any], state: dict[str, Any], found: Seen, expected: object) -> None:
    assert decide(job(state=state, **spec), found) == expected


LATE = 1000.5 + 700
WAITED = moved("Stopped", "MaxWaitTimeExceeded", runs.WAITED, TrainingEndTime=LATE)
PENDED = moved("Stopped", "Stopped", runs.PENDED, TrainingEndTime=3000.0)


@pytest.mark.parametrize(
    ("spec", "state", "found", "expected"),
    [
        (SPOT, at("Pending"), seen(now=LATE - 1), Step.LAUNCH),
        (SPOT, at("Pending"), seen(now=LATE), WAITED),
        (SPOT, at("Starting", Over=True), seen(now=LATE), WAITED),
        (SPOT, at("Downloading"), seen(RUNNING, now=LATE), "Training"),
        (SPOT, BEGUN, seen(RUNNING, now=LATE - 1), Wait(1.0)),
        (SPOT, BEGUN, seen(RUNNING, now=LATE), Become("InProgress", state={"WaitedOut": True})),
        (SPOT, BEGUN | {"WaitedOut": True}, seen(RUNNING, now=LATE), Step.STOP),
        (SPOT, BEGUN | {"WaitedOut": True, "Halted": True}, seen(RUNNING, now=LATE), Wait(WATCH_SECONDS)),
        (SPOT, BEGUN | {"WaitedOut": True, "Halted": True}, seen(STOPPED, now=LATE), UPLOADING),
        (PENDING, at("Pending", PendingSince=1200.0), seen(now=2999.0), Step.LAUNCH),
        (PENDING, at("Pending", PendingSince=1200.0), seen(now=3000.0), PENDED),
        ({}, at("Pending", PendingSince=1200.0), seen(now=9e9), Step.LAUNCH),
    ],
)
def test_deadlines(spec: dict[str, Any], state: dict[str, Any], found: Seen, expected: object) -> None:
    chosen = decide(job(state=state, **spec), found)
    assert (chosen.detail if isinstance(expected, str) and isinstance(chosen, Become) else chosen) == expected


@pytest.mark.parametrize(
    ("spec", "retries", "found", "expected"),
    [
        (RETRY, 1, seen(LOST), 2),
        (RETRY, 2, seen(LOST), "Failed"),
        (RETRY, 0, seen(), 1),
        (RETRY, 0, seen(InstanceState(host="algo-1", phase="exited", exit_code=1, ended=1100.0)), "Failed"),
        ({}, 0, seen(LOST), "Failed"),
    ],
)
def test_retries(spec: dict[str, Any], retries: int, found: Seen, expected: object) -> None:
    chosen = decide(job(state=BEGUN | {"Retries": retries}, **spec), found)
    assert isinstance(chosen, Become)
    assert (chosen.state["Retries"] if chosen.detail == "Restarting" else chosen.status) == expected


def test_a_retry_says_why_and_counts_what_ran() -> None:
    state = {"SecondaryStatus": "Restarting", **NEW_RUN, "RanSeconds": 190.0, "Retries": 1}
    assert decide(job(state=BEGUN, **RETRY), seen(LOST)) == Become(
        "InProgress", "Restarting", f"Restarting the training job: {WHY}", state
    )
    assert decide(job(state=state, **RETRY), seen()) == moved("InProgress", "Starting", LAUNCHING)


POOL = {"PoolHeld": True, "PoolSince": 1150.0}
AVAILABLE = {"WarmPoolStatus": {"Status": "Available"}}
ENDED = {"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": 60}


@pytest.mark.parametrize(
    ("state", "found", "expected"),
    [
        (POOL | AVAILABLE, seen(DONE), Step.RETAIN),
        (POOL | AVAILABLE, seen(now=1209.0), Step.RETAIN),
        (POOL | AVAILABLE, seen(now=1210.0), Become("Completed", state={"WarmPoolStatus": ENDED})),
        (POOL | {"WarmPoolStatus": ENDED}, seen(now=1210.0), Step.RELEASE),
        (POOL | {"WarmPoolStatus": {"Status": "Reused"}, "PoolFor": "x"}, seen(), Step.HAND_OVER),
        (POOL | {"PoolHeld": False, "WarmPoolStatus": ENDED}, seen(), Wait(None)),
        (POOL | {"PoolHeld": False, "WarmPoolStatus": ENDED}, seen(DONE), Step.DISCARD),
        # Handed from job to job for seven days.
        (
            POOL | AVAILABLE | {"PoolBorn": 1190.0 - 7 * 86400},
            seen(now=1190.0),
            Become(
                "Completed",
                state={"WarmPoolStatus": ENDED | {"ResourceRetainedBillableTimeInSeconds": 40}},
            ),
        ),
    ],
)
def test_warm_pools(state: dict[str, Any], found: Seen, expected: object) -> None:
    assert decide(job("Completed", at("Completed", **state), **WARM), found) == expected


def test_what_is_followed_by_a_pool() -> None:
    pool = {"PoolHeld": True, "PoolSince": NOW, "WarmPoolStatus": {"Status": "Available"}}
    going, stopping = job(state=at("Uploading"), **WARM), job("Stopping", at("Stopping"), **WARM)
    assert [pool.items() <= uploaded(record, seen(DONE)).state.items() for record in (going, stopping)] == [True, True]
    assert pool.items() <= fail(going, seen(DONE), "AlgorithmError: , exit code: 1").state.items()
    assert "PoolHeld" not in fail(going, seen(DONE), "ClientError: no data").state
    assert "PoolHeld" not in uploaded(job(state=at("Uploading")), seen(DONE)).state


def test_pools_are_matched_by_what_aws_compares() -> None:
    pools = warm.Pools()
    pool = job("Completed", **WARM)
    pools.offer(pool)
    other = {"ResourceConfig": WARM["ResourceConfig"] | {"InstanceType": "ml.m5.xlarge"}}
    same = {"ResourceConfig": WARM["ResourceConfig"] | {"KeepAlivePeriodInSeconds": 0}}
    jobs = [job(**same), job(**other), job(EnableNetworkIsolation=True, **WARM), job(**SPOT)]
    assert [pools.matching(each) for each in jobs] == [[pool.id], [], [], []]
    pools.promise(pool.id, "follower")
    assert (pools.matching(jobs[0]), pools.promised("follower")) == ([], pool.id)
    pools.withdraw(pool.id)
    assert pools.promised("follower") is None


def test_a_failed_job_is_kept_as_long_as_the_setting_says() -> None:
    failed = job("Failed", at("Failed", TrainingEndTime=1100.0))
    frozen = [decide(failed, seen(DONE, now=now, frozen_seconds=200.0)) for now in (1250.0, 1300.0)]
    assert frozen == [Wait(50.0), Step.DISCARD]
    assert decide(job("Stopped", failed.state), seen(DONE, frozen_seconds=200.0)) == Step.DISCARD


@pytest.mark.parametrize(
    ("state", "trained", "left"),
    [
        ({"TrainingStartTime": 1010.0, "TrainingEndTime": 1100.2}, 91, 600),
        ({"TrainingStartTime": 1010.0, "TrainingEndTime": 1100.0, "RanSeconds": 50.5}, 51, 550),
        ({"TrainingStartTime": 1.0, "RunStartTime": 1090.0, "TrainingEndTime": 1100.0, "RanSeconds": 50.5}, 61, 550),
        ({"TrainingStartTime": 1090.0, "TrainingEndTime": 1100.0}, 10, 600),
        ({"TrainingEndTime": 1100.0}, None, 600),
        ({"RanSeconds": 700.0}, None, 1),
    ],
)
def test_seconds(state: dict[str, Any], trained: int | None, left: int) -> None:
    record = job(state=state, **SPOT)
    assert (runs.training_seconds(record), runs.left_to_run(record)) == (trained, left)
    assert runs.billable_seconds(record, 0.7) == (None if trained is None else -(-trained * 3 // 10))
    assert runs.billable_seconds(job(state=state), 0.7) == trained
