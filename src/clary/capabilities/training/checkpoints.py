"""Checkpoints: what user code writes into its checkpoint folder appears in S3 while the job runs.

The way back, from S3 into the folder before the start, is `staging.py` and the workload's seeds.
"""

import contextlib
import errno
import json
import os
import shutil
from pathlib import Path

from clary.capabilities.training.outputs import files
from clary.capabilities.training.places import checkpoint_folder
from clary.objects import Objects, parse_uri
from clary.objects.errors import S3Error
from clary.resources.records import Record
from clary.runtime.archive import BadArchive, open_file
from clary.runtime.backend import Backend

Known = dict[str, list[int]]
"""Key to size and modification time (nanoseconds) of what was last put into S3."""
Place = tuple[Path, Path]
"""A checkpoint folder and a file below it."""
COPY_BYTES = 1024 * 1024


def sync(record: Record, backend: Backend, work: Path, objects: Objects) -> None:
    """Put what is new or changed, delete what is gone. All hosts share one address. May be repeated.

    `work` is the workload's folder.
    """
    folder = checkpoint_folder(record)
    if folder is None:
        return
    bucket, key = parse_uri(record.spec["CheckpointConfig"]["S3Uri"])
    if not objects.bucket_exists(record.account, bucket):
        return
    memory = work / "checkpoints.json"
    known = _known(memory)
    try:
        found = _found(backend.outputs(record.id, folder), key.rstrip("/"))
    except (BadArchive, FileNotFoundError, NotADirectoryError):
        # The job is rearranging its folders; it is looked at again soon.
        return
    changed = {name: place for name, (place, mark) in found.items() if known.get(name) != mark}
    for name, place in changed.items():
        _put(record, bucket, name, place, work, objects)
    gone = known.keys() - found.keys()
    for name in gone:
        objects.delete(bucket, name)
    if changed or gone:
        fresh = memory.with_suffix(".new")
        fresh.write_text(json.dumps({name: mark for name, (_, mark) in found.items()}))
        fresh.replace(memory)


def _known(memory: Path) -> Known:
    """Nothing known only means that everything is put again."""
    try:
        found: Known = json.loads(memory.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return found


def _found(folders: list[Path], key: str) -> dict[str, tuple[Place, list[int]]]:
    found: dict[str, tuple[Place, list[int]]] = {}
    for folder in folders:
        for file in files(folder):
            try:
                status = file.lstat()
            except OSError:
                continue
            name = f"{key}/{file.relative_to(folder).as_posix()}".lstrip("/")
            found[name] = ((folder, file), [status.st_size, status.st_mtime_ns])
    return found


def _put(record: Record, bucket: str, key: str, place: Place, work: Path, objects: Objects) -> None:
    # A copy: the job goes on writing to its own file, and may put links in the place of files and folders.
    copy = work / "checkpoint.part"
    try:
        with os.fdopen(open_file(*place), "rb") as source, copy.open("wb") as target:
            shutil.copyfileobj(source, target, COPY_BYTES)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        return
    with contextlib.suppress(S3Error):
        # A name that no object can have stays on the machine, as it would on AWS.
        objects.put_file(record.account, bucket, key, copy)
