"""A finished job's outputs: archived and put into S3 before the status says so."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from clary.capabilities.training import places
from clary.objects import Objects, parse_uri
from clary.objects.errors import S3Error
from clary.resources.records import Record
from clary.runtime.archive import BadArchive, entries, pack
from clary.runtime.backend import Backend

LARGE_BYTES = 16 * 1024 * 1024
LARGE_FILES = 1000


class CannotUpload(Exception):
    """The place for the outputs is gone, or what user code left cannot be an object."""


class Left(NamedTuple):
    """The folders of all hosts, in their order."""

    models: list[Path]
    data: list[Path]


def find(record: Record, backend: Backend) -> Left:
    """Where the outputs lie."""
    return Left(backend.outputs(record.id, places.MODEL), backend.outputs(record.id, places.OUTPUT_DATA))


def upload(record: Record, left: Left, work: Path, objects: Objects) -> None:
    """Model and output data of all hosts, merged: a later host's file replaces an earlier one's. May be repeated.

    `work` is the workload's folder, where archives are made.
    """
    bucket, key = parse_uri(places.output_uri(record))
    if not objects.bucket_exists(record.account, bucket):
        raise CannotUpload(f"Failed to upload model artifacts: bucket {bucket} does not exist")
    try:
        _upload(record, left, work, bucket, key, objects)
    except BadArchive as error:
        raise CannotUpload(f"Failed to upload model artifacts: {error}") from error


def are_large(left: Left) -> bool:
    """Whether the upload takes long enough that nothing else should wait for it."""
    size = 0
    try:
        for number, entry in enumerate(entry for source in (*left.models, *left.data) for entry in entries(source)):
            size += entry.lstat().st_size
            if size > LARGE_BYTES or number > LARGE_FILES:
                return True
    except BadArchive:
        return False
    return False


def _upload(record: Record, left: Left, work: Path, bucket: str, key: str, objects: Objects) -> None:
    for sources, name, always in ((left.models, "model", True), (left.data, "output", False)):
        if not always and not any(True for source in sources for _ in files(source)):
            continue
        if places.is_compressed(record):
            archive = work / f"{name}.tar.gz"
            pack(sources, archive)
            objects.put_file(record.account, bucket, f"{key}/{name}.tar.gz", archive, content_type="application/gzip")
        else:
            _upload_files(record, bucket, f"{key}/{name}", sources, objects)


def _upload_files(record: Record, bucket: str, key: str, sources: list[Path], objects: Objects) -> None:
    for source in sources:
        for file in files(source):
            name = f"{key}/{file.relative_to(source).as_posix()}"
            try:
                objects.put_file(record.account, bucket, name, file)
            except S3Error as error:
                raise CannotUpload(f"Failed to upload model artifacts: {name!r}: {error}") from error


def files(folder: Path) -> Iterator[Path]:
    """Plain files below a folder whose content is the user's: no link is followed, no device or pipe is opened."""
    return (entry for entry in entries(folder) if entry.is_file() and not entry.is_symlink())
