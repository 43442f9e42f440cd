"""What user code does in certain folders happens in S3 while the job runs: checkpoints, and what Debugger writes.

Each host is followed by itself and all share one address, as on AWS: of equal names the one written last stays, and
what one host deletes is gone. The way back, from S3 into the folder before each start, is for checkpoints alone, by
`staging.py` and the workload's seeds: what was seeded counts as known, so that a run that starts again puts nothing
twice, and deletes what its code deletes.
"""

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from clary.capabilities.jobs.uploads import Uploads
from clary.capabilities.training.followed import CHECKPOINTS, Followed
from clary.capabilities.training.outputs import files
from clary.capabilities.training.places import Staging
from clary.objects import Objects, parse_uri
from clary.objects.errors import S3Error
from clary.resources.records import Record
from clary.runtime.archive import BadArchive, open_file
from clary.runtime.backend import Backend

Known = dict[str, list[int]]
"""Path to size and modification time (nanoseconds) of what is in S3, for one host."""
COPY_BYTES = 1024 * 1024
LARGE_BYTES = 16 * 1024 * 1024
LARGE_FILES = 200
"""More goes to S3 beside the reconciler, whose threads start other jobs."""


@dataclass
class Change:
    """What one host's folder and S3 differ in."""

    folder: Path
    found: Known
    put: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


class Sync:
    """Of one such folder of a job."""

    def __init__(self, record: Record, which: Followed, backend: Backend, jobs: Path, objects: Objects) -> None:
        self._record, self._which, self._backend, self._objects = record, which, backend, objects
        self._work = jobs / record.id
        self._seeds = Staging(jobs, record.id).checkpoints if which.name == CHECKPOINTS else None
        self._memory = self._work / f"{which.name}.json"
        self._bucket, key = parse_uri(which.uri)
        self._prefix = f"{key.rstrip('/')}/" if key.rstrip("/") else ""

    def go(self, uploads: Uploads, tell: Callable[[], None]) -> bool:
        """Whether S3 has all; else it is on its way, and `tell` is called when it is time to ask again."""
        key = f"{self._record.id}/{self._which.name}"
        if uploads.in_hand(key) or not self._objects.bucket_exists(self._record.account, self._bucket):
            return not uploads.in_hand(key)
        if not self._backend.near(self._record.id, self._which.folder):
            return uploads.done(key, self.carry_out, tell) and uploads.done(key, self.carry_out, tell)
        try:
            changes = self._changes()
        except (BadArchive, FileNotFoundError, NotADirectoryError, PermissionError):
            # The job is rearranging its folders; it is looked at again soon.
            return True
        if self._are_large(changes):
            # What was done before may have missed what was written meanwhile.
            return uploads.done(key, self.carry_out, tell) and uploads.done(key, self.carry_out, tell)
        self._do(changes)
        return True

    def carry_out(self) -> None:
        """Put what is new or changed, delete what is gone. May be repeated."""
        with contextlib.suppress(BadArchive, FileNotFoundError, NotADirectoryError, PermissionError):
            self._do(self._changes())

    def _changes(self) -> list[Change]:
        folders = self._backend.outputs(self._record.id, self._which.folder)
        brought = self._backend.brought(self._record.id, self._which.folder)
        known = self._known(len(folders))
        return [
            _compare(place, before) if told else Change(place, before)
            for place, before, told in zip(folders, known, brought, strict=True)
        ]

    def _known(self, hosts: int) -> list[Known]:
        """By host. At first each has what was laid out for all."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            found: list[Known] = json.loads(self._memory.read_bytes())
            return found
        seeds = _found(self._seeds) if self._seeds and self._seeds.is_dir() else {}
        return [seeds] * hosts

    def _are_large(self, changes: list[Change]) -> bool:
        sizes = [change.found[name][0] for change in changes for name in change.put]
        return sum(sizes) > LARGE_BYTES or len(sizes) > LARGE_FILES

    def _do(self, changes: list[Change]) -> None:
        if not any(change.put or change.gone for change in changes):
            return
        # First what is new: a crash in between must not leave S3 without any checkpoint.
        for change in changes:
            for name in change.put:
                self._put(change, name)
        fresh_names = {name for change in changes for name in change.put}
        gone = {name for change in changes for name in change.gone} if self._which.deletes else set()
        for name in gone - fresh_names:
            with contextlib.suppress(S3Error):
                self._objects.delete(self._bucket, self._prefix + name)
        fresh = self._memory.with_suffix(".new")
        fresh.write_text(json.dumps([change.found for change in changes]))
        fresh.replace(self._memory)

    def _put(self, change: Change, name: str) -> None:
        # A copy: the job goes on writing to its own file, and may put links in the place of files and folders.
        copy = self._work / f"{self._which.name}.part"
        try:
            source = os.fdopen(open_file(change.folder, change.folder / name), "rb")
            with source, copy.open("wb") as target:
                shutil.copyfileobj(source, target, COPY_BYTES)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            return
        with contextlib.suppress(S3Error):
            # A name that no object can have stays on the machine, as it would on AWS.
            self._objects.put_file(self._record.account, self._bucket, self._prefix + name, copy)


def _compare(place: Path, known: Known) -> Change:
    found = _found(place)
    put = [name for name, mark in found.items() if known.get(name) != mark]
    return Change(place, found, put, [name for name in known if name not in found])


def _found(place: Path) -> Known:
    found: Known = {}
    for file in files(place):
        with contextlib.suppress(OSError):
            status = file.lstat()
            found[file.relative_to(place).as_posix()] = [status.st_size, status.st_mtime_ns]
    return found
