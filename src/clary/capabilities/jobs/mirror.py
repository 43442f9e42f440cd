"""Folders that user code fills, copied to places in S3 as plain objects: while it still runs, and when it has ended.

No link is followed, nothing but plain files is read, and what is in S3 is never deleted.
"""

import contextlib
import errno
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from clary.objects import Objects
from clary.objects.errors import S3Error
from clary.runtime.archive import BadArchive, entries, open_file

COPY_BYTES = 1024 * 1024
SETTLED_SECONDS = 1.0
"""A file that was just written may be in the middle of it."""
PATIENCE_SECONDS = 20.0
"""A file that never settles, such as a log, is put again this often."""
LARGE_BYTES = 16 * 1024 * 1024
LARGE_FILES = 1000


class CannotUpload(Exception):
    """The place is gone, or a name cannot be an object's. The message is the caller's to read."""


@dataclass(frozen=True, slots=True)
class Source:
    """A folder of one host, and where below the target its files go; empty or ending in `/`."""

    folder: Path
    below: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """`prefix` is empty or ends in `/`. Of equal names the last source's stays."""

    bucket: str
    prefix: str
    sources: tuple[Source, ...]


Mark = list[float]
"""Of a file that was put: size, modification time in nanoseconds, when it was put."""


class Mirror:
    """`work` is a folder of the job's own: it remembers there what is already in S3."""

    def __init__(self, account: str, objects: Objects, work: Path) -> None:
        self._account, self._objects, self._work = account, objects, work

    def follow(self, targets: Iterable[Target]) -> None:
        """Put what is new or changed, as copies: user code goes on writing. May be repeated."""
        known = self._known()
        before = dict(known)
        for target in targets:
            if not self._objects.bucket_exists(self._account, target.bucket):
                continue
            with contextlib.suppress(BadArchive, FileNotFoundError, NotADirectoryError, PermissionError):
                # The job rearranges its folders, or has shut them; it is looked at again.
                self._follow(target, known)
        if known != before:
            self._remember(known)

    def finish(self, targets: list[Target]) -> None:
        """Put all that is not there yet; user code has ended. May be repeated. Raises `CannotUpload`."""
        for target in targets:
            if not self._objects.bucket_exists(self._account, target.bucket):
                raise CannotUpload(f"Failed to upload outputs: bucket {target.bucket} does not exist")
        shared = _repeated(source.folder for target in targets for source in target.sources)
        known = self._known()
        try:
            for target in targets:
                for source in target.sources:
                    self._finish(target, source, known, keep=source.folder in shared)
        except BadArchive as error:
            raise CannotUpload(f"Failed to upload outputs: {error}") from error

    def _follow(self, target: Target, known: dict[str, Mark]) -> None:
        now = time.time()
        for key, source, file in _files(target):
            try:
                status = file.lstat()
            except OSError:
                continue
            address, size, changed = f"{target.bucket}/{key}", float(status.st_size), float(status.st_mtime_ns)
            mark = known.get(address, [-1.0, 0.0, 0.0])
            settled = now - changed / 1e9 > SETTLED_SECONDS or now - mark[2] > PATIENCE_SECONDS
            if mark[:2] != [size, changed] and settled and self._put_copy(target.bucket, key, source.folder, file):
                known[address] = [size, changed, now]

    def _finish(self, target: Target, source: Source, known: dict[str, Mark], *, keep: bool) -> None:
        try:
            found = list(plain_files(source.folder))
        except PermissionError:
            _open_up(source.folder)
            found = list(plain_files(source.folder))
        for file in found:
            key = f"{target.prefix}{source.below}{file.relative_to(source.folder).as_posix()}"
            status = file.lstat()
            if known.get(f"{target.bucket}/{key}", [])[:2] == [float(status.st_size), float(status.st_mtime_ns)]:
                continue
            try:
                if not os.access(file, os.R_OK):
                    _open_up(file)
                if keep:
                    self._put_copy(target.bucket, key, source.folder, file, strict=True)
                else:
                    self._objects.put_file(self._account, target.bucket, key, file)
            except S3Error as error:
                raise CannotUpload(f"Failed to upload outputs: {key!r}: {error}") from error

    def _put_copy(self, bucket: str, key: str, folder: Path, file: Path, *, strict: bool = False) -> bool:
        """Whether it is in S3 now. The user may put links in the place of files and folders at any moment."""
        copy = self._work / "mirror.part"
        try:
            with os.fdopen(open_file(folder, file), "rb") as source, copy.open("wb") as out:
                shutil.copyfileobj(source, out, COPY_BYTES)
        except OSError as error:
            if strict or error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            return False
        try:
            self._objects.put_file(self._account, bucket, key, copy)
        except S3Error:
            # A name that no object can have stays on the machine until the end, which says so.
            if strict:
                raise
            return False
        return True

    def _known(self) -> dict[str, Mark]:
        """Nothing known only means that everything is put again."""
        try:
            found: dict[str, Mark] = json.loads((self._work / "mirror.json").read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return found

    def _remember(self, known: dict[str, Mark]) -> None:
        fresh = self._work / "mirror.json.new"
        fresh.write_text(json.dumps(known))
        fresh.replace(self._work / "mirror.json")


def are_large(folders: Iterable[Path]) -> bool:
    """Whether putting them takes long enough that nothing else should wait for it."""
    size = 0
    try:
        for number, file in enumerate(file for folder in folders for file in plain_files(folder)):
            size += file.lstat().st_size
            if size > LARGE_BYTES or number > LARGE_FILES:
                return True
    except (BadArchive, OSError):
        return False
    return False


def plain_files(folder: Path) -> Iterator[Path]:
    """No link is followed; devices, pipes and sockets are left out. Raises `BadArchive` for folders nested too deep."""
    return (entry for entry in entries(folder) if entry.is_file() and not entry.is_symlink())


def _files(target: Target) -> Iterator[tuple[str, Source, Path]]:
    for source in target.sources:
        for file in plain_files(source.folder):
            yield f"{target.prefix}{source.below}{file.relative_to(source.folder).as_posix()}", source, file


def _repeated(folders: Iterable[Path]) -> set[Path]:
    """Those that go to several places: their files must not be moved to the first."""
    seen: set[Path] = set()
    twice: set[Path] = set()
    for folder in folders:
        (twice if folder in seen else seen).add(folder)
    return twice


def _open_up(place: Path) -> None:
    # User code can shut its folders and files to their owner. chmod follows no link on its way down.
    subprocess.run(["chmod", "-R", "u+rwX", str(place)], capture_output=True, check=False)
