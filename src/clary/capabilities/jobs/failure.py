"""`FailureReason` of a job whose instance failed by no doing of its code; each kind of job words the rest itself."""

from collections.abc import Iterable

from clary.runtime.workload import InstanceState

LONGEST = 1024
"""Characters of a reason."""
INTERNAL = "InternalServerError: We encountered an internal error. Please try again."


def failed(states: Iterable[InstanceState]) -> InstanceState | None:
    """The instance that failed first, if any did. What was stopped or timed out did not fail."""
    bad = [state for state in states if state.phase == "lost" or _ended_badly(state)]
    return min(bad, key=lambda state: (state.ended or 0.0, state.host), default=None)


def _ended_badly(state: InstanceState) -> bool:
    return (
        state.phase == "exited" and state.cause not in ("stopped", "timeout") and bool(state.exit_code or state.cause)
    )


def is_internal(state: InstanceState) -> bool:
    """Whether the platform failed: such jobs may be tried again."""
    return state.phase == "lost" or state.cause == "platform"


def blameless(state: InstanceState) -> str:
    """Why an instance failed whose code had no part in it; empty where it had."""
    if state.phase == "lost":
        return cut(f"{INTERNAL} {state.host}: {state.message} User code is not started a second time.")
    if state.cause == "platform":
        return cut(f"{INTERNAL} {state.host}: {state.message}")
    return cut(f"ClientError: {state.message}") if state.cause == "data" else ""


def cut(text: str) -> str:
    return text[:LONGEST]
