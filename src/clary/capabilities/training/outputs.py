"""A finished job's outputs: archived and put into S3 before the status says so."""

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

from clary.capabilities.training import places
from clary.objects import Objects, parse_uri
from clary.objects.errors import S3Error
from clary.resources.records import Record
from clary.runtime.backend import Backend

COMPRESSION = 1
"""Models hardly shrink; the fastest level costs a fifth of the time of the usual one."""
LONGEST_PATH = 3800
"""Bytes: below the system's 4096 with room for one more name."""


class CannotUpload(Exception):
    """The place for the outputs is gone, or what user code left cannot be an object."""


def upload(record: Record, backend: Backend, jobs: Path, objects: Objects) -> None:
    """Model and output data of all hosts, merged: a later host's file replaces an earlier one's. May be repeated."""
    bucket, key = parse_uri(places.output_uri(record))
    if not objects.bucket_exists(record.account, bucket):
        raise CannotUpload(f"Failed to upload model artifacts: bucket {bucket} does not exist")
    work = jobs / record.id
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


def entries(folder: Path) -> Iterator[Path]:
    """Everything below a folder, parents first. Raises `CannotUpload` where names nest too deeply to be opened."""
    waiting = [folder] if folder.is_dir() else []
    while waiting:
        inner = waiting.pop()
        if len(os.fsencode(inner)) > LONGEST_PATH:
            raise CannotUpload("Failed to upload model artifacts: folders are nested too deeply")
        for entry in sorted(inner.iterdir()):
            yield entry
            if entry.is_dir() and not entry.is_symlink():
                waiting.append(entry)


def pack(folders: list[Path], archive: Path) -> None:
    """A tar.gz of the folders' contents at its root. Links are kept as links, devices and pipes left out."""
    partial = archive.with_name(f".{archive.name}.part")
    with tarfile.open(partial, "w:gz", compresslevel=COMPRESSION) as tar:
        for folder in folders:
            for entry in entries(folder):
                tar.add(entry, entry.relative_to(folder).as_posix(), recursive=False, filter=_plain)
    partial.rename(archive)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member
