"""What to do next for a transform job, from its record and what was seen. Pure; `reconcile.py` carries it out."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from clary.capabilities.jobs.failure import INTERNAL, blameless, cut
from clary.capabilities.jobs.kind import FINAL
from clary.capabilities.jobs.seen import JobSeen
from clary.capabilities.transform.drivers import Driver
from clary.resources.reconcile import Become, Wait
from clary.resources.records import Record
from clary.runtime.workload import InstanceState

WATCH_SECONDS = 2.0
"""How often a running job is looked at without being woken. Shims wake at every change and drivers when they have
something, but a driver that was killed tells nobody."""
END_SECONDS = 0.2
"""Likewise while something is to end."""
LOGS = "See job logs for more information"
CLIENT, ALGORITHM = f"ClientError: {LOGS}", f"AlgorithmError: {LOGS}"
OUT_OF_MEMORY = "ClientError: Please use an instance type with more memory, or a smaller MaxPayloadInMB."
UNHEALTHY = f"AlgorithmError: The primary container did not pass the ping health check. {LOGS}"
GONE = f"{INTERNAL} The folder of the running job is gone, or the machine that had it."
HOPELESS = f"{INTERNAL} The data could not be driven through the model: the process that does it ends each time."


class Step(Enum):
    """Something to do in the world."""

    BEGIN = "get the runtime environment, lay out the data and start the instances"
    DRIVE = "start the drivers that are not there"
    DELIVER = "put finished outputs into S3"
    MEASURE = "take in new metrics"
    HALT = "ask drivers and containers to end"
    KILL = "end what still runs"
    FINISH = "put what is finished into S3 and say how it ended"
    DISCARD = "forget the workloads"


@dataclass(frozen=True, slots=True)
class Seen(JobSeen):
    """`instances`: of all containers. `drivers`: one for each host."""

    drivers: tuple[Driver, ...] = ()
    unread_metrics: bool = False

    @property
    def busy(self) -> bool:
        """Whether any container or driver has not ended."""
        return self.driving or self.living

    @property
    def driving(self) -> bool:
        return any(driver.living for driver in self.drivers)

    @property
    def driven(self) -> bool:
        """Whether all objects are over."""
        return bool(self.drivers) and all(driver.result for driver in self.drivers)

    @property
    def broken(self) -> InstanceState | None:
        """The container that ended first, if any did: they are to serve until they are told to end."""
        ended = [state for state in self.instances if state.phase in ("exited", "lost")]
        return min(ended, key=lambda state: (state.ended or 0.0, state.host), default=None)


def decide(record: Record, seen: Seen) -> Become | Wait | Step:
    if record.status in FINAL:
        if not seen.kept:
            return Wait(None)
        return Step.HALT if seen.busy else Step.DISCARD
    if record.status == "Stopping":
        return _stopping(seen)
    if not record.state.get("Launched"):
        return Step.BEGIN
    return _running(record, seen)


def _stopping(seen: Seen) -> Become | Wait | Step:
    if seen.busy:
        return Step.HALT
    return Step.MEASURE if seen.unread_metrics else Step.FINISH


def _running(record: Record, seen: Seen) -> Become | Wait | Step:
    over = seen.driven or not seen.instances or seen.broken or any(driver.hopeless for driver in seen.drivers)
    if over and not seen.driven and seen.busy:
        return Step.KILL
    if seen.unread_metrics:
        return Step.MEASURE
    if over:
        return Step.FINISH
    if seen.begun and "TransformStartTime" not in record.state:
        return Become("InProgress", message="Transforming", state={"TransformStartTime": seen.begun}, brief=True)
    if any(not driver.living and not driver.result for driver in seen.drivers):
        return Step.DRIVE
    return Step.DELIVER if any(driver.outputs for driver in seen.drivers) else Wait(WATCH_SECONDS)


def ended(record: Record, seen: Seen, trouble: str = "") -> Become:
    """The job's last state, once its outputs are in S3. `trouble`: what went wrong there."""
    state: dict[str, Any] = _times(record, seen)
    if record.status == "Stopping":
        return Become("Stopped", message="Transform job stopped", state=state)
    if why := cut(_reason(seen) or trouble):
        return Become("Failed", message=why, state=state | {"FailureReason": why})
    return Become("Completed", message="Transform job completed", state=state)


def fail(record: Record, seen: Seen, why: str) -> Become:
    """For a job whose model never ran."""
    return Become("Failed", message=cut(why), state=_times(record, seen) | {"FailureReason": cut(why)})


def _reason(seen: Seen) -> str:
    if not seen.driven:
        if seen.broken is None:
            return HOPELESS if seen.instances else GONE
        return blameless(seen.broken) or (OUT_OF_MEMORY if seen.broken.cause == "memory" else ALGORITHM)
    results = [driver.result for driver in seen.drivers if driver.result]
    if any(result.unhealthy for result in results):
        return UNHEALTHY
    faults = [result.fault for result in results if result.fault]
    return {"client": CLIENT, "algorithm": ALGORITHM}[faults[0]] if faults else ""


def _times(record: Record, seen: Seen) -> dict[str, float]:
    return seen.times(record, "Transform", seen.now)
