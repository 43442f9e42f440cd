"""Which folders of a job go to S3 while user code runs. `plan.py` makes them, `following.py` follows them.

The addresses are those at which SDK v2 looks (`Estimator.latest_job_debugger_artifacts_path` and its like).
"""

from collections.abc import Iterator
from typing import NamedTuple

from clary.capabilities.training import debugging, places
from clary.resources.records import Record
from clary.runtime.toolkit.job import decode

INTERMEDIATE = f"{places.OUTPUT}/intermediate"


class Followed(NamedTuple):
    """One of them, in every instance."""

    name: str
    """What tells it from the job's others."""
    folder: str
    """Inside the instances."""
    uri: str
    """Where it goes."""
    deletes: bool = True
    """What is deleted in the folder is deleted there."""


CHECKPOINTS = "checkpoints"
"""The one that begins with what lies at its address."""


def followed(record: Record) -> tuple[Followed, ...]:
    """All of a job's; none for most jobs."""
    return tuple(_followed(record))


def _followed(record: Record) -> Iterator[Followed]:
    if folder := places.checkpoint_folder(record):
        yield Followed(CHECKPOINTS, folder, record.spec["CheckpointConfig"]["S3Uri"])
    for name, folder, place in debugging.outputs(record.spec):
        yield Followed(name, folder, f"{place.rstrip('/')}/{record.name}/{name}")
    # What AWS's toolkit does itself, file by file.
    given = decode(record.spec.get("HyperParameters", {}).get("sagemaker_s3_output", ""))
    if isinstance(given, str) and given.startswith("s3://"):
        yield Followed("intermediate", INTERMEDIATE, f"{given.rstrip('/')}/{record.name}/output/intermediate", False)
