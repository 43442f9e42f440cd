"""A job's runs: after a spot interruption or a failure of the platform user code starts again, and times add up. Pure.

A run that is over and begun anew leaves `RanSeconds` in the state, and from then on the current run's own start is
`RunStartTime`; `TrainingStartTime` stays that of the first. `Over` says that what lies in the job's folder belongs to a
run that is accounted for: it is not looked at again, only cleared away.
"""

import math
from collections.abc import Mapping
from typing import Any

from clary.capabilities.jobs import measures
from clary.resources.reconcile import Become
from clary.resources.records import Record
from clary.runtime.workload import InstanceState

A_NEW_RUN: Mapping[str, Any] = {
    "RunStartTime": None,
    "Halted": False,
    "ReclaimAt": None,
    "Progress": "",
    "MetricsRead": {},
    measures.READ: {},
}
"""What the state says of the current run alone."""
WAITED = "Training job waited and ran for longer than MaxWaitTimeInSeconds provided"
PENDED = "Training job was pending for longer than MaxPendingTimeInSeconds provided"


def is_spot(record: Record) -> bool:
    return bool(record.spec.get("EnableManagedSpotTraining"))


def seconds(record: Record, until: float | None) -> float | None:
    """For how long user code has run, in all runs; `None` when it never did."""
    ran = record.state.get("RanSeconds")
    begun = record.state.get("TrainingStartTime" if ran is None else "RunStartTime")
    if ran is None and begun is None:
        return None
    return float(ran or 0.0) + (0.0 if begun is None or until is None else max(0.0, until - begun))


def training_seconds(record: Record) -> int | None:
    """Of an ended job: whole seconds, at least one: the SDK divides by it."""
    end = record.state.get("TrainingEndTime")
    found = None if end is None else seconds(record, end)
    return None if found is None else max(1, math.ceil(found))


def billable_seconds(record: Record, spot_discount: float) -> int | None:
    """AWS bills spot time as fewer seconds: `1 - Billable / Training` is the saving that its guide computes."""
    whole = training_seconds(record)
    if whole is None or not is_spot(record):
        return whole
    # Rounded, for 10 * (1 - 0.7) is a little more than 3.
    return math.ceil(round(whole * (1 - spot_discount), 6))


def left_to_run(record: Record) -> int:
    """Seconds of MaxRuntimeInSeconds that earlier runs have not used, at least one."""
    longest = int(record.spec["StoppingCondition"]["MaxRuntimeInSeconds"])
    return max(1, math.ceil(longest - float(record.state.get("RanSeconds", 0.0))))


def begun(record: Record, at: float) -> dict[str, float]:
    """The times of the run that begins."""
    first = {"TrainingStartTime": record.state.get("TrainingStartTime", at)}
    return first | {"RunStartTime": at} if "RanSeconds" in record.state else first


def over(record: Record, instances: tuple[InstanceState, ...], now: float) -> dict[str, Any]:
    """The state of a job whose run ended before its time and that starts again."""
    ended = max((state.ended or 0.0 for state in instances), default=0.0) or now
    return {**A_NEW_RUN, "RanSeconds": seconds(record, ended) or 0.0, "Over": True}


def wait_ends(record: Record) -> float | None:
    """When a spot job has waited and run for as long as it may."""
    longest = record.spec["StoppingCondition"].get("MaxWaitTimeInSeconds") if is_spot(record) else None
    return None if longest is None else float(record.created + longest)


def pending_ends(record: Record) -> float | None:
    """When a pending job has been so for as long as it may."""
    longest = record.spec["StoppingCondition"].get("MaxPendingTimeInSeconds")
    since = record.state.get("PendingSince")
    return None if longest is None or since is None else float(since + longest)


def deadline(record: Record) -> float:
    """The first moment at which waiting longer would change something."""
    return min((end for end in (wait_ends(record), pending_ends(record)) if end is not None), default=math.inf)


def retries_left(record: Record) -> bool:
    strategy: Mapping[str, int] = record.spec.get("RetryStrategy") or {}
    return int(record.state.get("Retries", 0)) < strategy.get("MaximumRetryAttempts", 0)


def again(record: Record, detail: str, message: str, instances: tuple[InstanceState, ...], now: float) -> Become:
    """The run in the folder is over. Written before anything of it is cleared away."""
    state = {"SecondaryStatus": detail, **over(record, instances, now)}
    return Become("InProgress", detail, message, state)
