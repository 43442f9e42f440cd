"""`FailureReason`: whose fault it was and what they said, in AWS's forms."""

import os
from pathlib import Path

from clary.capabilities.jobs.failure import LONGEST, blameless, cut
from clary.runtime.archive import open_file
from clary.runtime.workload import InstanceState

USER_ERROR = 2
"""With this exit code AWS's own algorithms say that the caller can mend it."""
OUT_OF_MEMORY = (
    "ClientError: Please use an instance type with more memory, or reduce the size of training data processed on an "
    "instance."
)


def reason(state: InstanceState, text: str, built_in: bool) -> str:
    """For an instance that `failed`. `text` is its failure file; `built_in`: the image is an algorithm of AWS's."""
    if told := blameless(state):
        return told
    if state.cause == "memory":
        return cut(f"{OUT_OF_MEMORY}, exit code: {state.exit_code}")
    whose = "ClientError" if built_in and state.exit_code == USER_ERROR else "AlgorithmError"
    ending = f", exit code: {state.exit_code}"
    return f"{whose}: {text}"[: LONGEST - len(ending)] + ending


def read(folder: Path) -> str:
    """The start of a failure file that user code may have made anything of: only a plain file is read."""
    try:
        with os.fdopen(open_file(folder, folder / "failure"), "rb") as file:
            return file.read(4 * LONGEST).decode("utf-8", "replace")[:LONGEST]
    except OSError:
        return ""
