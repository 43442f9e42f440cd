"""The next step of a processing job, as a table."""

from typing import Any

import pytest
from tests.capabilities.processing.records import job

from clary.capabilities.processing.decide import OUT_OF_MEMORY, TIMED_OUT, Seen, Step, decide, ended
from clary.resources.reconcile import Become, Wait
from clary.runtime.workload import InstanceState

ONE, TWO = "algo-1", "algo-2"
NO_MESSAGE = "AlgorithmError: See job logs for more information"
INTERNAL = "InternalServerError: We encountered an internal error. Please try again."


def running(host: str = ONE) -> InstanceState:
    return InstanceState(host=host, phase="running", started=1050.0)


def over(host: str = ONE, code: int = 0, cause: Any = "") -> InstanceState:
    return InstanceState(host=host, phase="exited", started=1050.0, ended=1100.0, exit_code=code, cause=cause)


def seen(*instances: InstanceState, **more: Any) -> Seen:
    return Seen(now=1200.0, instances=instances, kept=True, **more)


LAUNCHED = {"Launched": True}
BEGUN = {"Launched": True, "ProcessingStartTime": 1050.0}


@pytest.mark.parametrize(
    ("status", "state", "what", "expected"),
    [
        ("InProgress", {}, Seen(now=1200.0), Step.BEGIN),
        ("InProgress", {}, seen(), Step.BEGIN),
        ("InProgress", {}, seen(running()), Step.BEGIN),
        ("InProgress", LAUNCHED, seen(InstanceState(host=ONE, phase="preparing")), Wait(5.0)),
        (
            "InProgress",
            LAUNCHED,
            seen(running()),
            Become("InProgress", message="Processing", state={"ProcessingStartTime": 1050.0}, brief=True),
        ),
        ("InProgress", BEGUN, seen(running()), Wait(5.0)),
        ("InProgress", BEGUN, seen(running(), continuous=True), Wait(2.0)),
        ("InProgress", BEGUN, seen(over(), running(TWO)), Wait(5.0)),
        ("InProgress", BEGUN, seen(over(code=1), running(TWO)), Step.KILL),
        ("InProgress", BEGUN, seen(over(code=1), over(TWO)), Step.FINISH),
        ("InProgress", LAUNCHED, seen(over()), Step.FINISH),
        (
            "Stopping",
            {},
            Seen(now=1200.0),
            Become("Stopped", "", "Processing job stopped", {"ProcessingEndTime": 1200.0}),
        ),
        ("InProgress", BEGUN, seen(running(), unread_metrics=True), Step.MEASURE),
        ("Stopping", BEGUN, seen(over(code=143, cause="stopped"), unread_metrics=True), Step.MEASURE),
        ("Stopping", BEGUN, seen(running()), Step.STOP),
        ("Stopping", BEGUN | {"Halted": True}, seen(running()), Wait(5.0)),
        ("Stopping", BEGUN, seen(over(code=143, cause="stopped")), Step.FINISH),
        ("Completed", BEGUN, seen(over()), Step.DISCARD),
        ("Completed", BEGUN, Seen(now=1200.0), Wait(None)),
        ("Deleting", BEGUN, seen(), Step.DISCARD),
        ("Deleting", BEGUN, Seen(now=1200.0), Step.REMOVE),
    ],
)
def test_what_follows(status: str, state: dict[str, Any], what: Seen, expected: object) -> None:
    assert decide(job(status, state), what) == expected


TIMES = {"ProcessingStartTime": 1050.0, "ProcessingEndTime": 1100.0}


def failure(why: str, **more: Any) -> Become:
    return Become("Failed", message=why, state=TIMES | {"FailureReason": why, **more})


@pytest.mark.parametrize(
    ("status", "what", "said", "trouble", "expected"),
    [
        ("InProgress", seen(over()), "", "", Become("Completed", message="Processing job completed", state=TIMES)),
        (
            "InProgress",
            seen(over()),
            "42 rows",
            "",
            Become("Completed", message="Processing job completed", state=TIMES | {"ExitMessage": "42 rows"}),
        ),
        ("InProgress", seen(over(), over(TWO, 1)), "", "", failure(NO_MESSAGE)),
        ("InProgress", seen(over(code=1)), "bad", "", failure("AlgorithmError: bad", ExitMessage="bad")),
        ("InProgress", seen(over(code=137, cause="memory")), "", "", failure(OUT_OF_MEMORY)),
        (
            "InProgress",
            seen(
                InstanceState(host=ONE, phase="exited", started=1050.0, ended=1100.0, cause="data", message="Cut off.")
            ),
            "",
            "",
            failure("ClientError: Cut off."),
        ),
        ("InProgress", seen(over(code=1)), "", "ClientError: no bucket", failure(NO_MESSAGE)),
        ("InProgress", seen(over()), "", "ClientError: no bucket", failure("ClientError: no bucket")),
        (
            "InProgress",
            seen(over(code=143, cause="timeout")),
            "",
            "",
            Become("Stopped", message=TIMED_OUT, state=TIMES | {"FailureReason": TIMED_OUT}),
        ),
        (
            "Stopping",
            seen(over(code=1)),
            "so far",
            "",
            Become("Stopped", message="Processing job stopped", state=TIMES | {"ExitMessage": "so far"}),
        ),
        (
            "InProgress",
            seen(InstanceState(host=ONE, phase="lost", started=1050.0, ended=1100.0, message="Killed.")),
            "",
            "",
            failure(f"{INTERNAL} algo-1: Killed. User code is not started a second time."),
        ),
    ],
)
def test_how_it_ends(status: str, what: Seen, said: str, trouble: str, expected: Become) -> None:
    assert ended(job(status, BEGUN), what, said, trouble) == expected
