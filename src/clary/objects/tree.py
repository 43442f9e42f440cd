"""Object bytes on disk, below one root folder. `store.py` is the only caller.

    .data/<aa>/<id>          immutable, one file per stored version; the index names it
    .staging/<process>/<id>  being written, or written and not yet known to be in the index
    .uploads/<upload>/       parts of multipart uploads
    <bucket>/<key>           a hard link to the newest version, for people and other programs to read

A version's file never changes and never moves, so a reader or a job that linked it is not disturbed by an overwrite.
The link under `<bucket>/` is a view: the index decides what an object is, so a crash between the two can only leave
the view behind, and the staging entry left over tells the next start which key to show again (`sweep`). The view is
not synced, which would cost each write another wait for the disk: after a power cut, though no object is lost, its last
changes may be missing until those keys are written again.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import stat
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from clary.objects.names import plain_path

_COPY_BYTES = 1 << 24
_VIEW_LOCKS = 64


class Staged:
    """A file being written by this process. `seal` makes its bytes durable."""

    def __init__(self, folder: Path) -> None:
        self.id = secrets.token_hex(16)
        self.path = folder / self.id
        self.size = 0
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)

    def write(self, block: bytes) -> None:
        view = memoryview(block)
        while view:
            view = view[os.write(self._fd, view) :]
        self.size += len(block)

    def append(self, source: Path, offset: int, size: int) -> None:
        """Copy a stretch of another file inside the kernel."""
        with source.open("rb", buffering=0) as file:
            copy_range(file.fileno(), offset, self._fd, self.size, size)
        self.size += size
        os.lseek(self._fd, self.size, os.SEEK_SET)

    def seal(self) -> None:
        os.fsync(self._fd)
        os.close(self._fd)
        self._fd = -1

    def discard(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self.path.unlink(missing_ok=True)


class Adopted(Staged):
    """A finished file of this filesystem that becomes an object without being copied."""

    def __init__(self, folder: Path, file: Path) -> None:
        self.id = secrets.token_hex(16)
        self.path = folder / self.id
        os.link(file, self.path, follow_symlinks=False)
        self._fd = -1
        try:
            self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            self.size = os.fstat(self._fd).st_size
            os.fchmod(self._fd, 0o444)
        except OSError:
            self.discard()
            raise


def copy_range(source: int, offset: int, target: int, at: int, size: int) -> None:
    """Copy bytes between open files; shares the blocks where the filesystem can. `EOFError` when source is short."""
    while size:
        done = os.copy_file_range(source, target, min(size, _COPY_BYTES), offset, at)
        if not done:
            raise EOFError("source file is shorter than the index says")
        offset, at, size = offset + done, at + done, size - done


class Tree:
    """One per process; threads share it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._data = str(root / ".data")
        self.uploads = root / ".uploads"
        self._locks = root / ".locks"
        for folder in (root / ".data", root / ".staging", self.uploads, self._locks):
            folder.mkdir(parents=True, exist_ok=True)
        self._staging = self._claim_staging()

    def _claim_staging(self) -> Path:
        """A staging folder whose lock lives as long as this process: `sweep` of others leaves it alone."""
        while True:
            folder = self.root / ".staging" / f"{os.getpid()}-{secrets.token_hex(4)}"
            lock = folder.with_suffix(".lock")
            self._lock = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            # A sweep may have found and removed the file before it was locked.
            if lock.exists() and os.fstat(self._lock).st_ino == lock.stat().st_ino:
                folder.mkdir()
                return folder
            os.close(self._lock)

    def path(self, file: str) -> Path:
        """Where the bytes of a version lie."""
        return Path(f"{self._data}/{file[:2]}/{file}")

    def stage(self) -> Staged:
        return Staged(self._staging)

    def adopt(self, file: Path) -> Staged:
        """The file itself where that is safe, else a copy: other names of a file could still be written through."""
        status = file.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{file} is not a regular file")
        if status.st_nlink == 1 and status.st_dev == self.root.stat().st_dev:
            # The kernel may forbid linking what another user owns.
            with contextlib.suppress(PermissionError):
                return Adopted(self._staging, file)
        return self._copy(file)

    def _copy(self, file: Path) -> Staged:
        staged = self.stage()
        try:
            with file.open("rb") as source:
                for block in iter(lambda: source.read(_COPY_BYTES), b""):
                    staged.write(block)
        except BaseException:
            staged.discard()
            raise
        return staged

    def link(self, file: Path) -> Staged:
        """Another name for bytes that are already ours and immutable."""
        return Adopted(self._staging, file)

    def publish(self, staged: Staged) -> None:
        """Give sealed bytes their durable place. The staging name stays until `settle`."""
        target = self.path(staged.id)
        parent = target.parent
        try:
            os.link(staged.path, target)
        except FileNotFoundError:
            parent.mkdir(exist_ok=True)
            _fsync_folder(parent.parent)
            os.link(staged.path, target)
        _fsync_folder(parent)

    def settle(self, staged: Staged) -> None:
        staged.path.unlink(missing_ok=True)

    def retract(self, staged: Staged) -> None:
        """Undo `stage` and `publish`."""
        self.remove(staged.id)
        staged.discard()

    def remove(self, file: str) -> None:
        self.path(file).unlink(missing_ok=True)

    def show(self, bucket: str, key: str, current: Callable[[], str | None]) -> None:
        """Make the view of a key follow the index. `current` gives the live version's file, read under a lock."""
        plain = plain_path(key)
        if plain is None:
            return
        target = self.root / bucket / plain
        with self._view_lock(bucket, key):
            file = current()
            # A key below another key (`k/x` beside `k`), or a name too long, has no place in a file tree.
            with contextlib.suppress(OSError):
                self._link(target, file) if file else self._unlink(target, self.root / bucket)

    def _link(self, target: Path, file: str) -> None:
        fresh = self._staging / f"view-{secrets.token_hex(8)}"
        os.link(self.path(file), fresh)
        try:
            self._rename(fresh, target)
        finally:
            # Renaming one link of a file over another does nothing and leaves both.
            fresh.unlink(missing_ok=True)

    def _rename(self, fresh: Path, target: Path) -> None:
        for _ in range(8):
            # The folder may go when its last other key is deleted meanwhile.
            with contextlib.suppress(FileNotFoundError):
                fresh.rename(target)
                return
            target.parent.mkdir(parents=True, exist_ok=True)

    def _unlink(self, target: Path, bucket: Path) -> None:
        target.unlink(missing_ok=True)
        for folder in target.parents:
            if folder == bucket:
                return
            folder.rmdir()

    @contextlib.contextmanager
    def _view_lock(self, bucket: str, key: str) -> Iterator[None]:
        name = str(hash_of(bucket, key) % _VIEW_LOCKS)
        fd = os.open(self._locks / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def forget_bucket(self, bucket: str) -> None:
        shutil.rmtree(self.root / bucket, ignore_errors=True)

    def sweep(self, find: Callable[[str], tuple[str, str] | None], show: Callable[[str, str], None]) -> None:
        """Clear up after processes that died. `find` gives the (bucket, key) of a file that the index knows."""
        for lock in (self.root / ".staging").glob("*.lock"):
            with _if_free(lock) as free:
                if free:
                    self._sweep_folder(lock.with_suffix(""), find, show)
                    lock.unlink(missing_ok=True)

    def _sweep_folder(
        self, folder: Path, find: Callable[[str], tuple[str, str] | None], show: Callable[[str, str], None]
    ) -> None:
        for left in list(folder.iterdir()) if folder.is_dir() else []:
            known = find(left.name)
            if known:
                show(*known)
            elif not left.name.startswith("view-"):
                self.remove(left.name)
            left.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def hash_of(bucket: str, key: str) -> int:
    """Equal in every process, unlike `hash`."""
    return zlib.crc32(f"{bucket}/{key}".encode("utf-8", "surrogatepass"))


@contextlib.contextmanager
def _if_free(lock: Path) -> Iterator[bool]:
    try:
        fd = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(fd)


def _fsync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
