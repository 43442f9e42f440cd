"""Blobs on their way in: a file for each upload, appended to as chunks come, renamed to its digest when it is whole.

A process may be killed at any line: a blob has its final name only when all of it is on the disk.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = "uploads"
ID = re.compile(r"[0-9a-f]{32}")
STALE_SECONDS = 86400.0
_READ_BYTES = 1024 * 1024


class NoUpload(Exception):
    """There is no upload of this id, or it is finished."""


class Busy(Exception):
    """Another request writes to the upload."""


class WrongDigest(Exception):
    """The content is not what the digest says."""


class Uploads:
    """The uploads of one repository, whose blobs lie in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._blobs = folder
        self._folder = folder / FOLDER

    def begin(self) -> str:
        """A new upload's id. Forgets those that nobody went on with for a day."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for file in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if file.stat().st_mtime < time.time() - STALE_SECONDS:
                    file.unlink()
        name = uuid.uuid4().hex
        os.close(os.open(self._folder / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        return name

    @contextmanager
    def opened(self, name: str) -> Iterator[int]:
        """The upload's file, for this request alone. Raises `NoUpload`, `Busy`."""
        try:
            fd = os.open(self._place(name), os.O_RDWR | os.O_APPEND)
        except FileNotFoundError:
            raise NoUpload(name) from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield fd
        except BlockingIOError:
            raise Busy(name) from None
        finally:
            os.close(fd)

    def size(self, name: str) -> int:
        try:
            return self._place(name).stat().st_size
        except FileNotFoundError:
            raise NoUpload(name) from None

    def finish(self, name: str, fd: int, digest: str) -> None:
        """Make it a blob. Raises `WrongDigest`, which ends the upload."""
        if _sha256(fd) != digest.removeprefix("sha256:"):
            self._place(name).unlink(missing_ok=True)
            raise WrongDigest(digest)
        os.fsync(fd)
        os.fchmod(fd, 0o444)
        self._place(name).rename(self._blobs / digest.removeprefix("sha256:"))
        _sync(self._blobs)

    def cancel(self, name: str) -> None:
        try:
            self._place(name).unlink()
        except FileNotFoundError:
            raise NoUpload(name) from None

    def store(self, content: bytes, digest: str) -> None:
        """A small blob at once: a manifest. The caller has checked its digest."""
        name = self.begin()
        with self.opened(name) as fd:
            write(fd, content)
            self.finish(name, fd, digest)

    def _place(self, name: str) -> Path:
        if not ID.fullmatch(name):
            raise NoUpload(name)
        return self._folder / name


def write(fd: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]


def _sha256(fd: int) -> str:
    digest, at = hashlib.sha256(), 0
    while block := os.pread(fd, _READ_BYTES, at):
        digest.update(block)
        at += len(block)
    return digest.hexdigest()


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
