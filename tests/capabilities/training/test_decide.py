"""Every step of a training job's life, as a table."""

from dataclasses import replace
from typing import Any

import pytest
from tests.capabilities.training.records import job

from clary.capabilities.training.decide import WATCH_SECONDS, Seen, Step, decide, moved, uploaded
from clary.resources.reconcile import Become, Wait
from clary.runtime.workload import InstanceState

ONE, TWO = "algo-1", "algo-2"


def running(host: str = ONE) -> InstanceState:
    return InstanceState(host=host, phase="running", started=1010.0)


def exited(host: str = ONE, code: int = 0, cause: Any = "", ended: float = 1100.0) -> InstanceState:
    return InstanceState(host=host, phase="exited", started=1010.0, ended=ended, exit_code=code, cause=cause)


def lost(host: str = ONE) -> InstanceState:
    return InstanceState(host=host, phase="lost", started=1010.0, message="The shim was killed.")


def preparing(host: str = ONE, message: str = "") -> InstanceState:
    return InstanceState(host=host, phase="preparing", message=message)


def seen(*instances: InstanceState, **more: Any) -> Seen:
    return Seen(now=1200.0, instances=instances, kept=bool(instances), **more)


def at(detail: str, **state: Any) -> dict[str, Any]:
    return {"SecondaryStatus": detail, **state}


TRAINING = replace(
    moved(
        "InProgress", "Training", "Training image download completed. Training in progress.", TrainingStartTime=1010.0
    ),
    brief=True,
)
TIMES = {"TrainingEndTime": 1100.0, "TrainingStartTime": 1010.0}
UPLOADING = replace(
    moved("InProgress", "Uploading", "Uploading generated training model", **TIMES, TimedOut=False), brief=True
)


def failure(why: str, ended: float = 1100.0) -> Become:
    return moved("Failed", "Failed", why, FailureReason=why, TrainingEndTime=ended, TrainingStartTime=1010.0)


@pytest.mark.parametrize(
    ("status", "state", "found", "expected"),
    [
        ("InProgress", {}, seen(), Step.PREPARE),
        ("InProgress", at("Downloading"), seen(), Step.LAUNCH),
        ("InProgress", at("Pending"), seen(), Step.LAUNCH),
        ("InProgress", at("Downloading"), seen(preparing()), Wait(WATCH_SECONDS)),
        (
            "InProgress",
            at("Downloading"),
            seen(preparing(), preparing(TWO, "Building")),
            moved("InProgress", "Downloading", "Building", HostProgress="Building"),
        ),
        (
            "InProgress",
            at("Downloading", HostProgress="Building"),
            seen(preparing(message="Building")),
            Wait(WATCH_SECONDS),
        ),
        (
            "InProgress",
            at("Downloading", HostProgress="Building"),
            seen(preparing()),
            moved("InProgress", "Downloading", "Downloading input data", HostProgress=""),
        ),
        ("InProgress", at("Downloading"), seen(running()), TRAINING),
        ("InProgress", at("Pending"), seen(exited()), TRAINING),
        ("InProgress", at("Training"), seen(running()), Wait(WATCH_SECONDS)),
        ("InProgress", at("Training"), seen(running(), unread_metrics=True), Step.MEASURE),
        ("InProgress", at("Training"), seen(exited(), running(TWO)), Wait(WATCH_SECONDS)),
        ("InProgress", at("Training"), seen(exited(), exited(TWO)), UPLOADING),
        ("InProgress", at("Training"), seen(exited(code=1), running(TWO)), Step.KILL),
        ("InProgress", at("Training"), seen(lost(), running(TWO)), Step.KILL),
        (
            "InProgress",
            at("Training"),
            seen(exited(code=137, ended=1101.0), exited(TWO, 1), failures={TWO: "mine"}),
            failure("AlgorithmError: mine, exit code: 1", 1101.0),
        ),
        ("InProgress", at("Training"), seen(exited(code=3)), failure("AlgorithmError: , exit code: 3")),
        (
            "InProgress",
            at("Training"),
            seen(exited(code=2), failures={ONE: "no num_round"}, built_in=True),
            failure("ClientError: no num_round, exit code: 2"),
        ),
        (
            "InProgress",
            at("Training"),
            seen(exited(code=137, cause="memory")),
            failure(
                "ClientError: Please use an instance type with more memory, or reduce the size of training data "
                "processed on an instance., exit code: 137"
            ),
        ),
        (
            "InProgress",
            at("Training"),
            seen(lost()),
            failure(
                "InternalServerError: We encountered an internal error. Please try again. algo-1: The shim was killed. "
                "User code is not started a second time.",
                1200.0,
            ),
        ),
        (
            "InProgress",
            at("Training"),
            seen(exited(code=143, cause="timeout")),
            replace(UPLOADING, state=UPLOADING.state | {"TimedOut": True}),
        ),
        ("InProgress", at("Uploading"), seen(exited()), Step.UPLOAD),
        (
            "InProgress",
            at("Uploading", TrainingStartTime=1010.0, TrainingEndTime=1100.0),
            seen(),
            failure(
                "InternalServerError: We encountered an internal error. Please try again. algo-1: The folder of the "
                "running job is gone, or the machine that had it. User code is not started a second time."
            ),
        ),
        ("Stopping", at("Stopping"), seen(running()), Step.STOP),
        ("Stopping", at("Stopping", Halted=True), seen(running()), Wait(WATCH_SECONDS)),
        ("Stopping", at("Stopping", Halted=True), seen(exited(code=143, cause="stopped")), Step.UPLOAD),
        (
            "Stopping",
            at("Stopping"),
            seen(),
            moved("Stopped", "Stopped", "Training job stopped", TrainingEndTime=1200.0),
        ),
        ("Completed", at("Completed"), seen(exited()), Step.DISCARD),
        ("Failed", at("Failed"), seen(), Wait(None)),
        ("Deleting", at("Completed"), seen(exited()), Step.DISCARD),
        ("Deleting", at("Completed"), seen(), Step.REMOVE),
    ],
)
def test_decide(status: str, state: dict[str, Any], found: Seen, expected: object) -> None:
    assert decide(job(status, state), found) == expected


def test_a_vanished_folder_is_a_lost_job() -> None:
    found = decide(job(state=at("Training", TrainingStartTime=1010.0)), seen())
    assert isinstance(found, Become)
    assert (found.status, found.state["FailureReason"][:19]) == ("Failed", "InternalServerError")


@pytest.mark.parametrize(
    ("status", "state", "expected"),
    [
        ("InProgress", at("Uploading"), moved("Completed", "Completed", "Training job completed")),
        (
            "InProgress",
            at("Uploading", TimedOut=True),
            moved("Stopped", "MaxRuntimeExceeded", "Training job runtime exceeded MaxRuntimeInSeconds provided"),
        ),
        ("Stopping", at("Stopping", Halted=True), moved("Stopped", "Stopped", "Training job stopped", **TIMES)),
    ],
)
def test_the_end_of_an_uploaded_job(status: str, state: dict[str, Any], expected: Become) -> None:
    assert uploaded(job(status, state), seen(exited())) == expected
