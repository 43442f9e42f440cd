"""A finished job's outputs: archived and put into S3 before the status says so."""

from collections.abc import Iterator
from pathlib import Path

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


def upload(record: Record, backend: Backend, jobs: Path, objects: Objects) -> None:
    """Model and output data of all hosts, merged: a later host's file replaces an earlier one's. May be repeated."""
    bucket, key = parse_uri(places.output_uri(record))
    if not objects.bucket_exists(record.account, bucket):
        raise CannotUpload(f"Failed to upload model artifacts: bucket {bucket} does not exist")
    try:
        _upload(record, backend, jobs / record.id, bucket, key, objects)
    except BadArchive as error:
        raise CannotUpload(f"Failed to upload model artifacts: {error}") from error


def are_large(record: Record, backend: Backend) -> bool:
    """Whether the upload takes long enough that nothing else should wait for it."""
    size = 0
    sources = [each for folder in (places.MODEL, places.OUTPUT_DATA) for each in backend.outputs(record.id, folder)]
    try:
        for number, entry in enumerate(entry for source in sources for entry in entries(source)):
            size += entry.lstat().st_size
            if size > LARGE_BYTES or number > LARGE_FILES:
                return True
    except BadArchive:
        return False
    return False


def _upload(record: Record, backend: Backend, work: Path, bucket: str, key: str, objects: Objects) -> None:
    for folder, name, always in ((places.MODEL, "model", True), (places.OUTPUT_DATA, "output", False)):
        sources = backend.outputs(record.id, folder)
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
