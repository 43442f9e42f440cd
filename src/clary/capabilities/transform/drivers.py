"""The processes that carry a job's objects through its instances (`clary.serving.batch`), one beside each instance.

They live on without the controller, like shims, and for the same reason: the lock in its folder says whether one lives.
One that was killed is started again and goes on where its journal ends.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from clary.runtime import shims
from clary.serving.batch import job as told
from clary.serving.batch.job import Job, Result

STARTS = "starts"
MOST_STARTS = 10
"""In a row, without an object that was finished between them."""
_CODE = "import sys; sys.path.insert(0, sys.argv[1]); from clary.serving.batch.__main__ import main; main(sys.argv[2])"


@dataclass(frozen=True, slots=True)
class Driver:
    """As seen. Neither `living` nor with a `result`: it is to be started. `hopeless`: once more would be of no use."""

    living: bool = False
    result: Result | None = None
    hopeless: bool = False
    outputs: bool = False
    """There are some to be taken."""


def see(folder: Path) -> Driver:
    # The lock first: a driver that let go of it has said its last word before.
    living = folder.is_dir() and shims.alive(folder)
    result = told.read_result(folder)
    return Driver(
        living=living,
        result=result,
        hopeless=not living and result is None and _is_hopeless(folder),
        outputs=any(_files(folder / told.OUT)),
    )


def start(folder: Path, job: Job) -> None:
    """Unless it lives, or has ended. May be repeated."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = shims.lock(folder)
    if lock is None:
        return
    try:
        if told.read_result(folder) is None:
            shims.replace(folder / told.JOB, msgspec.json.encode(job))
            (folder / told.STOP).unlink(missing_ok=True)
            with (folder / STARTS).open("a") as starts:
                starts.write(f"{_progress(folder)}\n")
            command = [sys.executable, "-c", _CODE, str(shims.package_root()), str(folder)]
            shims.start_detached(command, lock, folder / "driver.log")
    finally:
        os.close(lock)


def stop(folder: Path) -> None:
    """Ask it to end, which it does at any moment."""
    if folder.is_dir():
        (folder / told.STOP).touch()


def outputs(folder: Path) -> list[Path]:
    """Files of whole objects that are still to be taken, each named by its object's number."""
    return sorted((Path(entry) for entry in _files(folder / told.OUT)), key=lambda file: int(file.name))


def done(folder: Path) -> list[int]:
    """Numbers of the objects that have an output, taken or not."""
    return sorted(line.number for line in told.read_journal(folder) if not line.fault)


def _files(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries]
    except FileNotFoundError:
        return []


def _is_hopeless(folder: Path) -> bool:
    try:
        starts = (folder / STARTS).read_text().split()
    except FileNotFoundError:
        return False
    return len(starts) >= MOST_STARTS and set(starts[-MOST_STARTS:]) == {str(_progress(folder))}


def _progress(folder: Path) -> int:
    try:
        return (folder / told.JOURNAL).stat().st_size
    except FileNotFoundError:
        return 0
