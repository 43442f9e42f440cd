"""`FailureReason`: whose fault it was and what they said, in AWS's forms."""

import os
from collections.abc import Iterable
from pathlib import Path

from clary.runtime.archive import open_file
from clary.runtime.workload import InstanceState

LONGEST = 1024
"""Characters, of the file and of the reason."""
USER_ERROR = 2
"""With this exit code AWS's own algorithms say that the caller can mend it."""
OUT_OF_MEMORY = (
    "ClientError: Please use an instance type with more memory, or reduce the size of training data processed on an "
    "instance."
)
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


def reason(state: InstanceState, text: str, built_in: bool) -> str:
    """For an instance that `failed`. `text` is its failure file; `built_in`: the image is an algorithm of AWS's."""
    if state.phase == "lost":
        return cut(f"{INTERNAL} {state.host}: {state.message} User code is not started a second time.")
    if state.cause == "platform":
        return cut(f"{INTERNAL} {state.host}: {state.message}")
    if state.cause == "data":
        return cut(f"ClientError: {state.message}")
    if state.cause == "memory":
        return cut(f"{OUT_OF_MEMORY}, exit code: {state.exit_code}")
    whose = "ClientError" if built_in and state.exit_code == USER_ERROR else "AlgorithmError"
    ending = f", exit code: {state.exit_code}"
    return f"{whose}: {text}"[: LONGEST - len(ending)] + ending


def cut(text: str) -> str:
    return text[:LONGEST]


def read(folder: Path) -> str:
    """The start of a failure file that user code may have made anything of: only a plain file is read."""
    try:
        with os.fdopen(open_file(folder, folder / "failure"), "rb") as file:
            return file.read(4 * LONGEST).decode("utf-8", "replace")[:LONGEST]
    except OSError:
        return ""
