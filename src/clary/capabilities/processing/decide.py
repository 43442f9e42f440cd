"""What to do next for a processing job, from its record and what was seen. Pure; `reconcile.py` carries it out."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from clary.capabilities.jobs.failure import INTERNAL, blameless, cut, failed
from clary.capabilities.jobs.kind import FINAL
from clary.capabilities.jobs.seen import JobSeen
from clary.resources.reconcile import Become, Wait
from clary.resources.records import Record

WATCH_SECONDS = 5.0
"""How often a running job is looked at without being woken; the shim wakes at every change."""
CONTINUOUS_SECONDS = 2.0
"""Likewise, where outputs are to appear in S3 meanwhile."""
NO_MESSAGE = "See job logs for more information"
OUT_OF_MEMORY = (
    "ClientError: Please use an instance type with more memory, or reduce the size of job data processed on an "
    "instance."
)
TIMED_OUT = "MaxRuntimeExceeded: Processing job runtime exceeded MaxRuntimeInSeconds provided"


class Step(Enum):
    """Something to do in the world."""

    BEGIN = "get the runtime environment, stage the data and start the instances"
    MEASURE = "take in new metrics"
    STOP = "ask the user's processes to end"
    KILL = "end what still runs"
    FINISH = "put the outputs into S3 and say how it ended"
    DISCARD = "forget the workload"
    REMOVE = "forget the record"


@dataclass(frozen=True, slots=True)
class Seen(JobSeen):
    continuous: bool = False
    unread_metrics: bool = False
    """There are metrics of the hosts that are not in the store yet."""


def decide(record: Record, seen: Seen) -> Become | Wait | Step:
    if record.status == "Deleting":
        return Step.DISCARD if seen.kept else Step.REMOVE
    if record.status in FINAL:
        return Step.DISCARD if seen.kept else Wait(None)
    if record.status == "Stopping":
        return _stopping(record, seen)
    if not record.state.get("Launched"):
        return Step.BEGIN
    return _running(record, seen)


def _running(record: Record, seen: Seen) -> Become | Wait | Step:
    if not seen.instances:
        # `Launched` is said once all shims were started, so there were some.
        return ended(record, seen, "", "")
    if failed(seen.instances) and seen.living:
        return Step.KILL
    if seen.unread_metrics:
        return Step.MEASURE
    if not seen.living:
        return Step.FINISH
    if seen.begun and "ProcessingStartTime" not in record.state:
        return Become("InProgress", message="Processing", state={"ProcessingStartTime": seen.begun}, brief=True)
    return Wait(CONTINUOUS_SECONDS if seen.continuous else WATCH_SECONDS)


def _stopping(record: Record, seen: Seen) -> Become | Wait | Step:
    if seen.living:
        return Wait(WATCH_SECONDS) if record.state.get("Halted") else Step.STOP
    if seen.unread_metrics:
        return Step.MEASURE
    return Step.FINISH if seen.instances else ended(record, seen, "", "")


def ended(record: Record, seen: Seen, said: str, trouble: str) -> Become:
    """The job's last state. `said`: the exit message; `trouble`: what went wrong after user code had ended."""
    state: dict[str, Any] = _times(record, seen)
    if said:
        state["ExitMessage"] = said
    why = _reason(seen, said) or trouble
    if record.status == "Stopping":
        return Become("Stopped", message="Processing job stopped", state=state)
    if why:
        return Become("Failed", message=cut(why), state=state | {"FailureReason": cut(why)})
    if any(instance.cause == "timeout" for instance in seen.instances):
        return Become("Stopped", message=TIMED_OUT, state=state | {"FailureReason": TIMED_OUT})
    return Become("Completed", message="Processing job completed", state=state)


def _reason(seen: Seen, said: str) -> str:
    bad = failed(seen.instances)
    if bad is None:
        gone = f"{INTERNAL} The folder of the running job is gone, or the machine that had it."
        return "" if seen.instances else gone
    if told := blameless(bad):
        return told
    return OUT_OF_MEMORY if bad.cause == "memory" else f"AlgorithmError: {said or NO_MESSAGE}"


def fail(record: Record, seen: Seen, why: str) -> Become:
    """For a job whose user code never ran."""
    return Become("Failed", message=cut(why), state=_times(record, seen) | {"FailureReason": cut(why)})


def _times(record: Record, seen: Seen) -> dict[str, float]:
    return seen.times(record, "Processing", seen.over)
