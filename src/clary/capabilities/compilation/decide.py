"""What to do next for a compilation job, from its record and what was seen. Pure; `reconcile.py` carries it out."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from clary.capabilities.compilation.kind import FINAL
from clary.capabilities.jobs.failure import INTERNAL, blameless, cut, failed
from clary.capabilities.jobs.seen import JobSeen
from clary.resources.reconcile import Become, Wait
from clary.resources.records import Record

WATCH_SECONDS = 5.0
"""How often a running job is looked at without being woken; the shim wakes at every change."""
CALLER_FAULT = 2
"""Exit code of `clary.compiler.job` where the model, or what was said of it, is at fault."""
OUT_OF_MEMORY = "ClientError: The model does not fit into the memory of the instance that compiles it."
TIMED_OUT = "MaxRuntimeExceeded: Compilation job runtime exceeded MaxRuntimeInSeconds provided"


class Step(Enum):
    """Something to do in the world."""

    BEGIN = "get the runtime environment, stage the model and start the instance"
    STOP = "ask the process to end"
    FINISH = "put the artefact into S3 and say how it ended"
    DISCARD = "forget the workload"
    REMOVE = "forget the record"


@dataclass(frozen=True, slots=True)
class Seen(JobSeen):
    """`said`: the text of the failure file."""

    said: str = ""

    @property
    def succeeded(self) -> bool:
        return bool(self.instances) and all(
            state.phase == "exited" and not state.exit_code and not state.cause for state in self.instances
        )


def decide(record: Record, seen: Seen) -> Become | Wait | Step:
    if record.status == "DELETING":
        return Step.DISCARD if seen.kept else Step.REMOVE
    if record.status in FINAL:
        return Step.DISCARD if seen.kept else Wait(None)
    if record.status == "STOPPING":
        return _stopping(record, seen)
    if not record.state.get("Launched"):
        return Step.BEGIN
    if not seen.living:
        return Step.FINISH if seen.succeeded else ended(record, seen)
    if record.status == "STARTING" and seen.begun:
        return Become("INPROGRESS", message="Compiling", state={"CompilationStartTime": seen.begun})
    return Wait(WATCH_SECONDS)


def _stopping(record: Record, seen: Seen) -> Become | Wait | Step:
    if not seen.living:
        return Become("STOPPED", message="Compilation job stopped", state=_times(record, seen))
    return Wait(WATCH_SECONDS) if record.state.get("Halted") else Step.STOP


def completed(record: Record, seen: Seen, found: dict[str, Any]) -> Become:
    """`found`: the members of Describe that tell of the artefact, which is in S3."""
    return Become("COMPLETED", message="Compilation job completed", state=_times(record, seen) | found)


def ended(record: Record, seen: Seen) -> Become:
    """Of a job whose process is over and did not succeed."""
    if any(instance.cause == "timeout" for instance in seen.instances):
        return Become("STOPPED", message=TIMED_OUT, state=_times(record, seen) | {"FailureReason": TIMED_OUT})
    return fail(record, seen, _reason(seen))


def fail(record: Record, seen: Seen, why: str) -> Become:
    return Become("FAILED", message=cut(why), state=_times(record, seen) | {"FailureReason": cut(why)})


def _reason(seen: Seen) -> str:
    bad = failed(seen.instances)
    if bad is None:
        return f"{INTERNAL} The folder of the running job is gone, or the machine that had it."
    if told := blameless(bad):
        return told
    if bad.cause == "memory":
        return OUT_OF_MEMORY
    said = seen.said or f"The compiler ended with exit code {bad.exit_code}. See job logs for more information"
    return (
        f"ClientError: InputConfiguration: {said}" if bad.exit_code == CALLER_FAULT else f"InternalServerError: {said}"
    )


def _times(record: Record, seen: Seen) -> dict[str, float]:
    return seen.times(record, "Compilation", seen.over)
