"""Folders that user code fills, copied to places in S3 as plain objects: while it still runs, and when it has ended.

No link is followed, nothing but plain files is read, and what is in S3 is never deleted.
"""

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from clary.objects import Objects
from clary.objects.errors import S3Error
from clary.runtime import disks
from clary.runtime.archive import BadArchive, entries, open_file

COPY_BYTES = 1024 * 1024
SETTLED_SECONDS = 1.0
"""A file that was just written may be in the middle of it."""
PATIENCE_SECONDS = 20.0
"""A file that never settles, such as a log, is put again this often."""
LARGE_BYTES = 16 * 1024 * 1024
LARGE_FILES = 1000
NO_SPACE = "Artifact upload failed:Insufficient disk space"
"""In AWS's words and spelling."""


class CannotUpload(Exception):
    """The place is gone or full, or a name cannot be an object's. The message is the caller's to read."""


@dataclass(frozen=True, slots=True)
class Target:
    """What lies at `path` below each of `folders` goes to `prefix`, which is empty or ends in `/`.

    The folders are ours, everything below them is the user's. Of equal names the last folder's stays.
    """

    bucket: str
    prefix: str
    folders: tuple[Path, ...]
    path: PurePosixPath

    def files(self) -> Iterator[tuple[str, Path, Path]]:
        """Key, folder and file of each plain file. No link is followed; devices, pipes and sockets are left out.

        Raises `BadArchive` for folders nested too deep.
        """
        for folder in self.folders:
            place = folder / self.path
            if all(_is_folder(folder.joinpath(*self.path.parts[:depth])) for depth in range(len(self.path.parts) + 1)):
                for entry in entries(place):
                    if entry.is_file() and not entry.is_symlink():
                        yield f"{self.prefix}{entry.relative_to(place).as_posix()}", folder, entry


Mark = list[float]
"""Of a file that was put: size, modification time in nanoseconds, when it was put."""


class Mirror:
    """`work` is a folder of the job's own: it remembers there what is already in S3. `what` it puts, for messages."""

    def __init__(self, account: str, objects: Objects, work: Path, what: str = "outputs") -> None:
        self._account, self._objects, self._work, self._what = account, objects, work, what

    def follow(self, targets: Iterable[Target]) -> None:
        """Put what is new or changed, as copies: user code goes on writing. May be repeated."""
        known = self._known()
        before = dict(known)
        try:
            for target in targets:
                if not self._objects.bucket_exists(self._account, target.bucket):
                    continue
                with contextlib.suppress(BadArchive, FileNotFoundError, NotADirectoryError, PermissionError):
                    # The job rearranges its folders, or has shut them; it is looked at again.
                    self._follow(target, known)
            if known != before:
                self._remember(known)
        except OSError as error:
            # There may be room later; at the end it is said that there was none.
            if not disks.is_full(error):
                raise

    def finish(self, targets: list[Target]) -> None:
        """Put all that is not there yet; user code has ended. May be repeated. Raises `CannotUpload`."""
        for target in targets:
            if not self._objects.bucket_exists(self._account, target.bucket):
                raise CannotUpload(f"Failed to upload {self._what}: bucket {target.bucket} does not exist")
        known = self._known()
        with uploading(self._what):
            for target in targets:
                self._finish(
                    target, known, keep=any(target is not other and _overlap(target, other) for other in targets)
                )

    def _follow(self, target: Target, known: dict[str, Mark]) -> None:
        now = time.time()
        for key, folder, file in target.files():
            try:
                status = file.lstat()
            except OSError:
                continue
            address, size, changed = f"{target.bucket}/{key}", float(status.st_size), float(status.st_mtime_ns)
            mark = known.get(address, [-1.0, 0.0, 0.0])
            settled = now - changed / 1e9 > SETTLED_SECONDS or now - mark[2] > PATIENCE_SECONDS
            if mark[:2] != [size, changed] and settled and self._put_copy(target.bucket, key, folder, file):
                known[address] = [size, changed, now]

    def _finish(self, target: Target, known: dict[str, Mark], *, keep: bool) -> None:
        """`keep`: other targets want the same files, so that they must not be moved to this one."""
        try:
            found = list(target.files())
        except PermissionError:
            for folder in target.folders:
                _open_up(folder)
            found = list(target.files())
        for key, folder, file in found:
            status = file.lstat()
            if known.get(f"{target.bucket}/{key}", [])[:2] == [float(status.st_size), float(status.st_mtime_ns)]:
                continue
            try:
                if not os.access(file, os.R_OK):
                    _open_up(file)
                if keep:
                    self._put_copy(target.bucket, key, folder, file, strict=True)
                else:
                    self._objects.put_file(self._account, target.bucket, key, file)
            except S3Error as error:
                raise CannotUpload(f"Failed to upload {self._what}: {key!r}: {error}") from error

    def _put_copy(self, bucket: str, key: str, folder: Path, file: Path, *, strict: bool = False) -> bool:
        """Whether it is in S3 now. The user may put links in the place of files and folders at any moment."""
        copy = self._work / "mirror.part"
        try:
            with os.fdopen(open_file(folder, file), "rb") as source, copy.open("wb") as out:
                shutil.copyfileobj(source, out, COPY_BYTES)
        except OSError as error:
            if strict or disks.is_full(error):
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


@contextlib.contextmanager
def uploading(what: str) -> Iterator[None]:
    """Says `CannotUpload` of what user code left, and of a disk without room for it."""
    try:
        yield
    except BadArchive as error:
        raise CannotUpload(f"Failed to upload {what}: {error}") from error
    except OSError as error:
        if not disks.is_full(error):
            raise
        raise CannotUpload(NO_SPACE) from error


def are_large(files: Iterable[Path]) -> bool:
    """Whether putting them takes long enough that nothing else should wait for it."""
    size = 0
    try:
        for number, file in enumerate(files):
            size += file.lstat().st_size
            if size > LARGE_BYTES or number > LARGE_FILES:
                return True
    except (BadArchive, OSError):
        return False
    return False


def _overlap(one: Target, other: Target) -> bool:
    same = not set(one.folders).isdisjoint(other.folders)
    return same and (one.path.is_relative_to(other.path) or other.path.is_relative_to(one.path))


def _is_folder(place: Path) -> bool:
    return place.is_dir() and not place.is_symlink()


def _open_up(place: Path) -> None:
    # User code can shut its folders and files to their owner. chmod follows no link on its way down.
    subprocess.run(["chmod", "-R", "u+rwX", str(place)], capture_output=True, check=False)
