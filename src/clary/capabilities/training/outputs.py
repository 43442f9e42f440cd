"""A finished job's outputs: archived and put into S3 before the status says so."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from clary.capabilities.jobs import mirror
from clary.capabilities.jobs.mirror import Mirror, Target
from clary.capabilities.training import places
from clary.objects import Objects, parse_uri
from clary.resources.records import Record
from clary.runtime.archive import entries, pack
from clary.runtime.backend import Backend

CannotUpload = mirror.CannotUpload
WHAT = "model artifacts"


class Left(NamedTuple):
    """The folders of all hosts, in their order."""

    models: list[Path]
    data: list[Path]


def find(record: Record, backend: Backend) -> Left:
    """Where the outputs lie."""
    return Left(backend.outputs(record.id, places.MODEL), backend.outputs(record.id, places.OUTPUT_DATA))


def are_near(record: Record, backend: Backend) -> bool:
    """Whether finding them takes no time."""
    return all(backend.near(record.id, folder) for folder in (places.MODEL, places.OUTPUT_DATA))


def upload(record: Record, left: Left, work: Path, objects: Objects) -> None:
    """Model and output data of all hosts, merged: a later host's file replaces an earlier one's. May be repeated.

    `work` is the workload's folder, where archives are made.
    """
    bucket, key = parse_uri(places.output_uri(record))
    if not objects.bucket_exists(record.account, bucket):
        raise CannotUpload(f"Failed to upload {WHAT}: bucket {bucket} does not exist")
    if not places.is_compressed(record):
        targets = [
            Target(bucket, f"{key}/{name}/", tuple(folders), PurePosixPath())
            for name, folders in (("model", left.models), ("output", left.data))
        ]
        Mirror(record.account, objects, work, WHAT).finish(targets)
        return
    with mirror.uploading(WHAT):
        _put_archive(record, left.models, work / "model.tar.gz", f"{bucket}/{key}", objects)
        if any(True for folder in left.data for _ in files(folder)):
            _put_archive(record, left.data, work / "output.tar.gz", f"{bucket}/{key}", objects)


def are_large(left: Left) -> bool:
    """Whether the upload takes long enough that nothing else should wait for it."""
    return mirror.are_large(entry for folder in (*left.models, *left.data) for entry in entries(folder))


def _put_archive(record: Record, folders: list[Path], archive: Path, place: str, objects: Objects) -> None:
    bucket, _, key = f"{place}/{archive.name}".partition("/")
    pack(folders, archive)
    objects.put_file(record.account, bucket, key, archive, content_type="application/gzip")


def files(folder: Path) -> Iterator[Path]:
    """Plain files below a folder whose content is the user's: no link is followed, no device or pipe is opened."""
    return (entry for entry in entries(folder) if entry.is_file() and not entry.is_symlink())
