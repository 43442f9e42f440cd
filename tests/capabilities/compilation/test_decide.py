"""The next step of a compilation job, as a table."""

from typing import Any

import pytest
from tests.capabilities.compilation.records import job

from clary.capabilities.compilation.decide import OUT_OF_MEMORY, TIMED_OUT, Seen, Step, decide
from clary.resources.reconcile import Become, Wait
from clary.runtime.workload import InstanceState

INTERNAL = "InternalServerError: We encountered an internal error. Please try again."
LAUNCHED = {"Launched": True}
BEGUN = {"Launched": True, "CompilationStartTime": 1050.0}
TIMES = {"CompilationStartTime": 1050.0, "CompilationEndTime": 1100.0}


def running() -> InstanceState:
    return InstanceState(host="algo-1", phase="running", started=1050.0)


def over(code: int = 0, cause: Any = "", message: str = "") -> InstanceState:
    return InstanceState(
        host="algo-1", phase="exited", started=1050.0, ended=1100.0, exit_code=code, cause=cause, message=message
    )


def seen(*instances: InstanceState, **more: Any) -> Seen:
    return Seen(now=1200.0, instances=instances, kept=True, **more)


def failed(why: str) -> Become:
    return Become("FAILED", message=why, state=TIMES | {"FailureReason": why})


@pytest.mark.parametrize(
    ("status", "state", "what", "expected"),
    [
        ("STARTING", {}, Seen(now=1200.0), Step.BEGIN),
        ("STARTING", {}, seen(running()), Step.BEGIN),
        ("STARTING", LAUNCHED, seen(InstanceState(host="algo-1", phase="preparing")), Wait(5.0)),
        (
            "STARTING",
            LAUNCHED,
            seen(running()),
            Become("INPROGRESS", message="Compiling", state={"CompilationStartTime": 1050.0}),
        ),
        ("INPROGRESS", BEGUN, seen(running()), Wait(5.0)),
        ("INPROGRESS", BEGUN, seen(over()), Step.FINISH),
        ("STARTING", LAUNCHED, seen(over()), Step.FINISH),
        (
            "INPROGRESS",
            BEGUN,
            seen(over(2), said="Unable to untar"),
            failed("ClientError: InputConfiguration: Unable to untar"),
        ),
        (
            "INPROGRESS",
            BEGUN,
            seen(over(139)),
            failed(
                "InternalServerError: The compiler ended with exit code 139. See job logs for more information",
            ),
        ),
        ("INPROGRESS", BEGUN, seen(over(1), said="OSError"), failed("InternalServerError: OSError")),
        ("INPROGRESS", BEGUN, seen(over(137, "memory")), failed(OUT_OF_MEMORY)),
        (
            "INPROGRESS",
            BEGUN,
            seen(over(143, "timeout")),
            Become("STOPPED", message=TIMED_OUT, state=TIMES | {"FailureReason": TIMED_OUT}),
        ),
        ("INPROGRESS", BEGUN, seen(over(1, "platform", "no bwrap")), failed(f"{INTERNAL} algo-1: no bwrap")),
        (
            "STOPPING",
            {},
            Seen(now=1200.0),
            Become("STOPPED", "", "Compilation job stopped", {"CompilationEndTime": 1200.0}),
        ),
        ("STOPPING", BEGUN, seen(running()), Step.STOP),
        ("STOPPING", BEGUN | {"Halted": True}, seen(running()), Wait(5.0)),
        ("STOPPING", BEGUN, seen(over(143, "stopped")), Become("STOPPED", "", "Compilation job stopped", TIMES)),
        ("STOPPING", BEGUN, seen(over()), Become("STOPPED", "", "Compilation job stopped", TIMES)),
        ("COMPLETED", BEGUN, seen(over()), Step.DISCARD),
        ("COMPLETED", BEGUN, Seen(now=1200.0), Wait(None)),
        ("DELETING", BEGUN, seen(over()), Step.DISCARD),
        ("DELETING", BEGUN, Seen(now=1200.0), Step.REMOVE),
    ],
)
def test_next_step(status: str, state: dict[str, Any], what: Seen, expected: Any) -> None:
    assert decide(job(status, state), what) == expected


def test_a_job_whose_folder_is_gone_failed() -> None:
    why = f"{INTERNAL} The folder of the running job is gone, or the machine that had it."
    state = {"CompilationStartTime": 1050.0, "CompilationEndTime": 1200.0, "FailureReason": why}
    assert decide(job("INPROGRESS", BEGUN), Seen(now=1200.0)) == Become("FAILED", message=why, state=state)
