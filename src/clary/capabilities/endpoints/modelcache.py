"""Where the models of a multi-model container come from: S3 below a prefix, unpacked into a folder that it sees.

The folder is that of a variant of a fleet, so its instances share it. It is a cache of bounded size: what was called
longest ago goes first. Server processes work in it side by side, and any of them may be killed at any line: a model
appears whole, by rename, and its modification time is the time of its last call.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from clary.capabilities.jobs.items import BadData
from clary.capabilities.jobs.landing import Landing
from clary.capabilities.model_containers.keep import MODELS
from clary.objects import Objects, Stored
from clary.runtime.archive import BadArchive, extract
from clary.serving.multimodel import Fetched, NoModel

DISK_GIGABYTES = 30
"""Where the variant gives no VolumeSizeInGB."""
TOUCH_SECONDS = 2.0
"""How exactly other server processes know when a model was called."""
REMEMBERED = 10_000

_used: dict[str, tuple[float, float]] = {}
"""When a model's folder was touched last, and when this process called it last."""


@dataclass(frozen=True, slots=True)
class ModelCache:
    """A `Source` of `serving/multimodel.py`."""

    place: int
    keeps: bool
    objects: Objects
    account: str
    bucket: str
    prefix: str
    folder: Path
    """Of the container."""
    most: int
    """Bytes of disk."""

    async def fetch(self, target: str) -> Fetched:
        """Raises `NoModel`."""
        return await asyncio.to_thread(self._fetch, target)

    def used(self, name: str) -> None:
        folder, now = f"{self.folder}/{MODELS}/{name}", time.time()
        told, _ = _used.get(folder, (0.0, 0.0))
        if now - told > TOUCH_SECONDS:
            with contextlib.suppress(OSError):
                os.utime(folder)
            told = now
            if len(_used) > REMEMBERED:
                _used.clear()
        _used[folder] = told, now

    def longest_unused(self, names: Sequence[str]) -> str | None:
        return min(names, key=lambda name: (self._last(name), name), default=None)

    async def surplus(self, keep: str) -> list[str]:
        try:
            return await asyncio.to_thread(self._surplus, keep)
        except FileNotFoundError:
            return []

    async def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            await asyncio.to_thread(self._remove, name)

    def _fetch(self, target: str) -> Fetched:
        key = f"{self.prefix}{_checked(target)}"
        mine = self.objects.bucket_exists(self.account, self.bucket)
        found = self.objects.find(self.bucket, key) if mine else None
        if found is None:
            raise NoModel(
                f"Failed to download model data(bucket: {self.bucket}, key: {key}). Please ensure that there is an "
                "object located at the URL and that the role passed to CreateModel has permissions to download the "
                "model."
            )
        name = named(key, _version(found))
        start = time.perf_counter()
        try:
            with self._locked(name):
                if (self.folder / MODELS / name).is_dir():
                    self.used(name)
                    return Fetched(name, 0.0)
                self._bring(name, found)
        except FileNotFoundError as error:
            # The folders are the fleet's, and go with it; so may the object, between two looks.
            raise NoModel("The model, or the endpoint, is being deleted.") from error
        return Fetched(name, time.perf_counter() - start)

    def _bring(self, name: str, found: Stored) -> None:
        fresh = self.folder / "fresh" / name
        shutil.rmtree(fresh, ignore_errors=True)
        landing = Landing(self.objects, fresh / "landed")
        try:
            (self.folder / "fresh").mkdir(exist_ok=True)
            fresh.mkdir()
            archive = landing.path(found)
            landing.fetch()
            extract(archive, fresh / "whole" / "model", max_bytes=self.most)
            size = sum(file.lstat().st_size for file in (fresh / "whole").rglob("*"))
            (self.folder / "sizes").mkdir(exist_ok=True)
            (self.folder / "sizes" / name).write_text(str(size))
            (fresh / "whole").rename(self.folder / MODELS / name)
        except (BadArchive, BadData) as error:
            raise NoModel(
                f'Failed to extract model data archive from URL "s3://{found.bucket}/{found.key}". Please ensure that '
                f"the object located at the URL is a valid tar.gz archive. {error}"
            ) from error
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _surplus(self, keep: str) -> list[str]:
        present = [folder.name for folder in (self.folder / MODELS).iterdir()]
        sizes = {name: self._size(name) for name in present}
        total, gone = sum(sizes.values()), []
        for name in sorted(present, key=self._last):
            if total <= self.most:
                break
            if name != keep:
                total -= sizes[name]
                gone.append(name)
        return gone

    def _remove(self, name: str) -> None:
        """Moved away first: a container never sees half a model."""
        with self._locked(name):
            old = self.folder / "fresh" / f"{name}.old"
            shutil.rmtree(old, ignore_errors=True)
            old.parent.mkdir(exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                (self.folder / MODELS / name).rename(old)
            shutil.rmtree(old, ignore_errors=True)

    def _size(self, name: str) -> int:
        try:
            return int((self.folder / "sizes" / name).read_text())
        except (OSError, ValueError):
            return 0

    def _last(self, name: str) -> float:
        """When it was called last; one that is no longer on disk counts as never."""
        folder = self.folder / MODELS / name
        try:
            return max(folder.stat().st_mtime, _used.get(str(folder), (0.0, 0.0))[1])
        except OSError:
            return 0.0

    @contextlib.contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """Against other server processes, and other threads of this one."""
        locks = self.folder / "locks"
        locks.mkdir(exist_ok=True)
        lock = os.open(locks / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def named(key: str, version: str) -> str:
    """What the container calls a model. One that is put anew under its old key is another, once it is loaded again."""
    return hashlib.sha256(f"{key}\0{version}".encode()).hexdigest()[:32]


def _version(found: Stored) -> str:
    """Of an object elsewhere nothing is known but its size."""
    if found.path is None:
        return str(found.size)
    told = found.path.stat()
    return f"{told.st_ino}.{told.st_mtime_ns}"


def _checked(target: str) -> str:
    """A path below the prefix. Raises `NoModel`."""
    parts = target.split("/")
    if not target.isprintable() or "" in parts or "." in parts or ".." in parts or "\\" in target:
        raise NoModel(f"Invalid TargetModel {target!r}: it is to be the path of an archive below the model's prefix.")
    return target
