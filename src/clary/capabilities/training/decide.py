"""What to do next for a training job, from its record and what was seen. Pure; `reconcile.py` carries it out."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from clary.capabilities.training.failure import failed, reason
from clary.capabilities.training.kind import FINAL, secondary_status
from clary.resources.reconcile import Become, Wait
from clary.resources.records import Record
from clary.runtime.workload import InstanceState

WATCH_SECONDS = 5.0
"""How often a running job is looked at without being woken; the shim wakes at every change."""


class Step(Enum):
    """Something to do in the world."""

    PREPARE = "get the runtime environment"
    LAUNCH = "stage the data and start the instances"
    MEASURE = "take in new metrics"
    STOP = "ask the user's processes to end"
    KILL = "end what still runs"
    UPLOAD = "put the outputs into S3"
    DISCARD = "forget the workload"
    REMOVE = "forget the record"


@dataclass(frozen=True, slots=True)
class Seen:
    """What is true now. `kept`: the workload's folder exists. `failures`: failure files by host."""

    now: float
    instances: tuple[InstanceState, ...] = ()
    kept: bool = False
    failures: Mapping[str, str] = field(default_factory=dict)
    built_in: bool = False
    unread_metrics: bool = False
    """There are metrics that the record does not show yet."""

    @property
    def living(self) -> bool:
        return any(state.phase in ("preparing", "running") for state in self.instances)

    @property
    def begun(self) -> float | None:
        """When user code started on the first instance."""
        return min((state.started for state in self.instances if state.started), default=None)

    @property
    def timed_out(self) -> bool:
        return any(state.cause == "timeout" for state in self.instances)


def decide(record: Record, seen: Seen) -> Become | Wait | Step:
    if record.status == "Deleting":
        return Step.DISCARD if seen.kept else Step.REMOVE
    if record.status in FINAL:
        return Step.DISCARD if seen.kept else Wait(None)
    if record.status == "Stopping":
        return _stopping(record, seen)
    match secondary_status(record):
        case "Starting":
            return Step.PREPARE
        case "Downloading" | "Pending":
            return _downloading(record, seen)
        case "Training":
            return _training(record, seen)
        case _:
            return Step.UPLOAD


def moved(status: str, detail: str, message: str, **state: Any) -> Become:
    """A transition; the state keeps the secondary status."""
    return Become(status, detail, message, {"SecondaryStatus": detail, **state})


def fail(record: Record, seen: Seen, why: str) -> Become:
    return moved("Failed", "Failed", why, FailureReason=why, **_times(record, seen))


def _downloading(record: Record, seen: Seen) -> Become | Wait | Step:
    if not seen.instances:
        return Step.LAUNCH
    if all(state.phase == "preparing" for state in seen.instances):
        return Wait(WATCH_SECONDS)
    training = moved(
        "InProgress",
        "Training",
        "Training image download completed. Training in progress.",
        TrainingStartTime=seen.begun or seen.now,
    )
    return replace(training, brief=True)


def _training(record: Record, seen: Seen) -> Become | Wait | Step:
    bad = failed(seen.instances)
    if bad and seen.living:
        return Step.KILL
    if seen.unread_metrics:
        return Step.MEASURE
    if bad:
        return fail(record, seen, reason(bad, seen.failures.get(bad.host, ""), seen.built_in))
    if not seen.instances:
        return fail(record, seen, reason(_vanished(), "", False))
    if seen.living:
        return Wait(WATCH_SECONDS)
    uploading = moved(
        "InProgress",
        "Uploading",
        "Uploading generated training model",
        **_times(record, seen),
        TimedOut=seen.timed_out,
    )
    # Where it takes long, the job waits for it.
    return replace(uploading, brief=True)


def _vanished() -> InstanceState:
    return InstanceState(host="algo-1", phase="lost", message="The folder of the running job is gone.")


def uploaded(record: Record, seen: Seen) -> Become:
    """The end of a job whose outputs are in S3."""
    if record.status == "Stopping":
        return moved("Stopped", "Stopped", "Training job stopped", **_times(record, seen))
    if record.state.get("TimedOut"):
        return moved("Stopped", "MaxRuntimeExceeded", "Training job runtime exceeded MaxRuntimeInSeconds provided")
    return moved("Completed", "Completed", "Training job completed")


def _stopping(record: Record, seen: Seen) -> Become | Wait | Step:
    if seen.living:
        return Wait(WATCH_SECONDS) if record.state.get("Halted") else Step.STOP
    if seen.unread_metrics:
        return Step.MEASURE
    return Step.UPLOAD if seen.instances else uploaded(record, seen)


def _times(record: Record, seen: Seen) -> dict[str, float]:
    """When training began, as far as it did, and when it ended."""
    begun = record.state.get("TrainingStartTime", seen.begun)
    ended = record.state.get("TrainingEndTime") or max((state.ended or 0.0 for state in seen.instances), default=0.0)
    times = {"TrainingEndTime": ended or seen.now}
    return times if begun is None else times | {"TrainingStartTime": begun}
