"""What is laid out on this machine before a job's instances start: a folder of its own in the workload's."""

import contextlib
import copy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from clary.capabilities.jobs.items import BadData
from clary.runtime import disks

NO_SPACE = "Data download failed:Insufficient disk space"
"""In AWS's words and spelling."""


class Staging:
    """Each kind of job adds what lies where."""

    def __init__(self, jobs: Path, workload: str) -> None:
        self.folder = jobs / workload / "staged"


Places = TypeVar("Places", bound=Staging)


def stage(places: Places, fill: Callable[[Places], None]) -> None:
    """Have `fill` make everything. May be repeated: complete or not there at all. Raises `BadData`."""
    if places.folder.exists():
        return
    fresh = copy.copy(places)
    fresh.folder = places.folder.with_name("staging")
    shutil.rmtree(fresh.folder, ignore_errors=True)
    with fitting():
        fresh.folder.mkdir(parents=True)
        fill(fresh)
        fresh.folder.rename(places.folder)


@contextlib.contextmanager
def fitting() -> Iterator[None]:
    """Raises `BadData` when the disk is too full for what is laid out within."""
    try:
        yield
    except OSError as error:
        if not disks.is_full(error):
            raise
        raise BadData(NO_SPACE) from error
