"""What to do next for a training job, from its record and what was seen. Pure; `reconcile.py` carries it out."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from clary.capabilities.jobs.failure import failed, is_internal
from clary.capabilities.jobs.kind import FINAL
from clary.capabilities.jobs.seen import JobSeen
from clary.capabilities.training import runs, warm
from clary.capabilities.training.failure import reason
from clary.capabilities.training.kind import secondary_status
from clary.resources.reconcile import Become, Wait
from clary.resources.records import Record
from clary.runtime.workload import InstanceState

WATCH_SECONDS = 5.0
"""How often a running job is looked at without being woken; the shim wakes at every change."""


class Step(Enum):
    """Something to do in the world."""

    CLEAR = "remove what an earlier run left"
    PREPARE = "get the runtime environment"
    LAUNCH = "stage the data and start the instances"
    MEASURE = "take in new metrics"
    STOP = "ask the user's processes to end"
    KILL = "end what still runs"
    UPLOAD = "put the outputs into S3"
    RETAIN = "keep the instances' room as a warm pool"
    HAND_OVER = "keep the room for the job that reuses it until it has started"
    RELEASE = "give the warm pool's room back"
    DISCARD = "forget the workload"
    REMOVE = "forget the record"


@dataclass(frozen=True, slots=True)
class Seen(JobSeen):
    """`failures`: failure files by host."""

    failures: Mapping[str, str] = field(default_factory=dict)
    built_in: bool = False
    unread_metrics: bool = False
    """There are metrics that the record does not show yet."""
    unsynced: bool = False
    """Checkpoints are on their way into S3."""
    interrupted: bool = False
    """Somebody asked for the interruption of this spot job."""
    reclaim_after: float | None = None
    """Seconds after which a run that begins now is to be interrupted; `None` where no rate is configured."""
    frozen_seconds: float = 0.0
    """How long what a failed job left is kept for inspection."""

    @property
    def timed_out(self) -> bool:
        return any(state.cause == "timeout" for state in self.instances)


def decide(record: Record, seen: Seen) -> Become | Wait | Step:
    if record.status == "Deleting":
        return Step.DISCARD if seen.kept else Step.REMOVE
    if record.status in FINAL:
        return _settled(record, seen)
    if record.status == "Stopping":
        return _stopping(record, seen)
    secondary = secondary_status(record)
    if secondary in WAITING and not seen.instances and (late := _too_late(record, seen)):
        return late
    match secondary:
        case "Starting":
            return Step.CLEAR if record.state.get("Over") else Step.PREPARE
        case "Restarting":
            return moved("InProgress", "Starting", "Launching requested ML instances")
        case "Downloading" | "Pending":
            return _downloading(record, seen)
        case "Training":
            return _training(record, seen)
        case "Interrupted":
            return _interrupted(record, seen)
        case _ if not seen.kept:
            # Another machine's, which was lost with what was to be uploaded.
            return fail(record, seen, reason(_vanished(), "", seen.built_in))
        case _:
            return Step.UPLOAD


WAITING = ("Starting", "Restarting", "Downloading", "Pending")


def moved(status: str, detail: str, message: str, **state: Any) -> Become:
    """A transition; the state keeps the secondary status."""
    return Become(status, detail, message, {"SecondaryStatus": detail, **state})


def fail(record: Record, seen: Seen, why: str) -> Become:
    pool = warm.opened(record, seen.now) if why.startswith("AlgorithmError") else {}
    return moved("Failed", "Failed", why, FailureReason=why, **_times(record, seen), **pool)


def _settled(record: Record, seen: Seen) -> Become | Wait | Step:
    if record.state.get("PoolHeld"):
        return _pool(record, seen)
    if not seen.kept:
        return Wait(None)
    frozen = record.state.get("TrainingEndTime", 0.0) + seen.frozen_seconds - seen.now
    return Wait(frozen) if record.status == "Failed" and seen.frozen_seconds and frozen > 0 else Step.DISCARD


def _pool(record: Record, seen: Seen) -> Become | Step:
    match warm.status(record):
        case "Available" if seen.now >= warm.ends(record):
            return Become(record.status, state=warm.closed(record, seen.now))
        case "Available":
            return Step.RETAIN
        case "Reused":
            return Step.HAND_OVER
        case _:
            return Step.RELEASE


def _too_late(record: Record, seen: Seen) -> Become | None:
    """The end of a job that waits and may wait no longer."""
    waits, pends = runs.wait_ends(record), runs.pending_ends(record)
    if waits is not None and seen.now >= waits:
        return moved("Stopped", "MaxWaitTimeExceeded", runs.WAITED, **_times(record, seen))
    if pends is not None and seen.now >= pends:
        return moved("Stopped", "Stopped", runs.PENDED, **_times(record, seen))
    return None


def _downloading(record: Record, seen: Seen) -> Become | Wait | Step:
    if not seen.instances:
        return Step.LAUNCH
    if all(state.phase == "preparing" for state in seen.instances):
        return _preparing(record, seen)
    begun = seen.begun or seen.now
    reclaim = (
        {} if seen.reclaim_after is None or not runs.is_spot(record) else {"ReclaimAt": begun + seen.reclaim_after}
    )
    training = moved(
        "InProgress",
        "Training",
        "Training image download completed. Training in progress.",
        **runs.begun(record, begun),
        **reclaim,
    )
    return replace(training, brief=True)


def _preparing(record: Record, seen: Seen) -> Become | Wait:
    """A node that lacks the image's environment builds it now, and says so."""
    said = next((state.message for state in seen.instances if state.message), "")
    if said == record.state.get("HostProgress", ""):
        return Wait(WATCH_SECONDS)
    return moved("InProgress", "Downloading", said or downloading(record.state.get("Note", "")), HostProgress=said)


def downloading(note: str) -> str:
    """`note`: what the instances have less than their types, if anything."""
    return f"Downloading input data. {note}" if note else "Downloading input data"


def _training(record: Record, seen: Seen) -> Become | Wait | Step:
    if seen.living and not failed(seen.instances):
        return _running(record, seen)
    return _ended(record, seen)


def _running(record: Record, seen: Seen) -> Become | Wait | Step:
    waits = runs.wait_ends(record)
    if record.state.get("WaitedOut"):
        return Wait(WATCH_SECONDS) if record.state.get("Halted") else Step.STOP
    if waits is not None and seen.now >= waits:
        return Become("InProgress", state={"WaitedOut": True})
    reclaim = record.state.get("ReclaimAt")
    if runs.is_spot(record) and (seen.interrupted or (reclaim is not None and seen.now >= reclaim)):
        return moved("InProgress", "Interrupted", "Spot capacity was reclaimed. Interrupting the training job")
    if seen.unread_metrics:
        return Step.MEASURE
    rings = [end - seen.now for end in (waits, reclaim) if end is not None]
    return Wait(min([WATCH_SECONDS, *rings]))


def _ended(record: Record, seen: Seen) -> Become | Wait | Step:
    """Of the current run, by itself or because an instance failed."""
    bad = failed(seen.instances)
    if bad and seen.living:
        return Step.KILL
    if seen.unread_metrics:
        return Step.MEASURE
    if seen.unsynced:
        return Wait(WATCH_SECONDS)
    bad = bad or (None if seen.instances else _vanished())
    if bad and is_internal(bad) and runs.retries_left(record):
        retries = int(record.state.get("Retries", 0)) + 1
        why = reason(bad, "", seen.built_in)
        again = runs.again(record, "Restarting", f"Restarting the training job: {why}", seen.instances, seen.now)
        return replace(again, state={**again.state, "Retries": retries})
    if bad:
        return fail(record, seen, reason(bad, seen.failures.get(bad.host, ""), seen.built_in))
    uploading = moved(
        "InProgress",
        "Uploading",
        "Uploading generated training model",
        **_times(record, seen),
        TimedOut=seen.timed_out,
    )
    # Where it takes long, the job waits for it.
    return replace(uploading, brief=True)


def _interrupted(record: Record, seen: Seen) -> Become | Wait | Step:
    """It has the grace period to save its work; whoever ended before hearing of it has simply ended."""
    if seen.living and not failed(seen.instances):
        return Wait(WATCH_SECONDS) if record.state.get("Halted") else Step.STOP
    if failed(seen.instances) or not any(state.cause == "stopped" for state in seen.instances):
        return _ended(record, seen)
    if seen.unread_metrics:
        return Step.MEASURE
    if seen.unsynced:
        return Wait(WATCH_SECONDS)
    return runs.again(record, "Starting", "Launching requested ML instances", seen.instances, seen.now)


def _vanished() -> InstanceState:
    return InstanceState(
        host="algo-1", phase="lost", message="The folder of the running job is gone, or the machine that had it."
    )


def uploaded(record: Record, seen: Seen) -> Become:
    """The end of a job whose outputs are in S3."""
    pool = warm.opened(record, seen.now)
    if record.status == "Stopping":
        return moved("Stopped", "Stopped", "Training job stopped", **_times(record, seen), **pool)
    if record.state.get("WaitedOut"):
        return moved("Stopped", "MaxWaitTimeExceeded", runs.WAITED)
    if record.state.get("TimedOut"):
        why = "Training job runtime exceeded MaxRuntimeInSeconds provided"
        return moved("Stopped", "MaxRuntimeExceeded", why, **pool)
    return moved("Completed", "Completed", "Training job completed", **pool)


def _stopping(record: Record, seen: Seen) -> Become | Wait | Step:
    if seen.living:
        return Wait(WATCH_SECONDS) if record.state.get("Halted") else Step.STOP
    if seen.unread_metrics:
        return Step.MEASURE
    if seen.unsynced:
        return Wait(WATCH_SECONDS)
    return Step.UPLOAD if seen.instances else uploaded(record, seen)


def _times(record: Record, seen: Seen) -> dict[str, float]:
    """When training began, as far as it did, and when it ended."""
    begun = record.state.get("RunStartTime" if "RanSeconds" in record.state else "TrainingStartTime") or seen.begun
    times = {"TrainingEndTime": record.state.get("TrainingEndTime") or seen.over}
    return times if begun is None else times | runs.begun(record, begun)
