"""The controller's copy of what an instance's node says, below the controller's home, where a local one would write it.

The size of a copied log is how much of it has come, after what earlier runs of the workload left there: whatever
crashes, nothing is lost and nothing comes twice. Several processes and threads may copy the same instance; a lock
decides who appends.
"""

import fcntl
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from clary.runtime import remote_socket, shims
from clary.runtime.cluster.parcel import Piece
from clary.runtime.cluster.talk import Asked, Found, Told
from clary.runtime.remote_socket import Address
from clary.runtime.workload import InstanceState

SEAT, SEEN = "seat.json", "seen.json"
BATCH_BYTES = 4 * 1024 * 1024
BATCH_FILES = 500
Read = Callable[[list[tuple[str, int, int]]], list[bytes]]


class Seated(msgspec.Struct, frozen=True):
    """Where the instance was sent, in which run of its workload; written before it is."""

    node: str
    run: str
    log: int
    """Bytes that the log held before."""


class Seen(msgspec.Struct, frozen=True):
    """`whole`: nothing more will come."""

    state: InstanceState
    whole: bool = False


_read_seated = msgspec.json.Decoder(Seated).decode
_read_seen = msgspec.json.Decoder(Seen).decode


class Mirror:
    """Of one instance. `log` is its file in the log store."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder, self.log = folder, log
        self.metrics = folder / "metrics.jsonl"
        self.socket = folder / remote_socket.NAME

    @property
    def seat(self) -> Seated | None:
        try:
            return _read_seated((self.folder / SEAT).read_bytes())
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def sit(self, node: str, run: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        shims.replace(self.folder / SEAT, msgspec.json.encode(Seated(node, run, _size(self.log))))

    @property
    def _before(self) -> int:
        seated = self.seat
        return seated.log if seated else 0

    @property
    def seen(self) -> Seen | None:
        try:
            return _read_seen((self.folder / SEEN).read_bytes())
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def say(self, state: InstanceState, *, whole: bool) -> None:
        shims.replace(self.folder / SEEN, msgspec.json.encode(Seen(state, whole)))

    @property
    def address(self) -> Address | None:
        try:
            return remote_socket.read(self.socket)
        except OSError:
            return None

    def asked(self, wait: float, piece: Piece | None = None) -> Asked:
        """What to ask the node for, and what it is given with that."""
        seen = self.seen
        requests = tuple(name for name in ("stop", "kill") if (self.folder / name).exists())
        return Asked(
            log=_size(self.log) - self._before,
            metrics=_size(self.metrics),
            wait=wait,
            requests=requests,
            state=seen.state if seen else None,
            address=self.address,
            piece=piece,
        )

    def take(self, asked: Asked, told: Told) -> bool:
        """Keep what came; whether the state is a new one. What another has kept meanwhile is left."""
        if told.state is None:
            return False
        with self.alone():
            seen = self.seen
            if seen and seen.whole:
                return False
            if told.address and told.address != self.address:
                shims.replace(self.socket, msgspec.json.encode(told.address))
            fits = _append(self.log, self._before + asked.log, told.log)
            fits &= _append(self.metrics, asked.metrics, told.metrics)
            ended = told.state.phase in ("exited", "lost")
            if ended and (told.more or not fits):
                # It has ended for everybody when its last word is here.
                return False
            if seen is None or seen.state != told.state or ended:
                self.say(told.state, whole=ended)
            return seen is None or seen.state != told.state

    @contextmanager
    def alone(self, lock: str = "lock") -> Iterator[None]:
        """Nobody else keeps what came meanwhile, or with another lock does what that is for."""
        fd = os.open(self.folder / lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


def copy_tree(place: Path, found: list[Found], read: Read) -> None:
    """Make `place` what was found on the node. May be repeated: what is here already does not come again.

    User code rearranges its folders meanwhile: nothing is written below what was not seen as a folder.
    """
    place.mkdir(parents=True, exist_ok=True)
    folders = {place}
    kept: set[Path] = set()
    wanted: list[tuple[Path, Found]] = []
    for one in found:
        target = place / _text(one.path)
        if target.parent not in folders or target in kept:
            continue
        if stat.S_ISDIR(one.mode):
            folders.add(target)
            if target.is_symlink() or not target.is_dir():
                _remove(target)
                target.mkdir()
        elif stat.S_ISLNK(one.mode):
            _link(target, _text(one.link))
        elif not stat.S_ISREG(one.mode):
            continue
        elif not _is_same(target, one):
            wanted.append((target, one))
        kept.add(target)
    for path in sorted(place.rglob("*"), reverse=True):
        if path not in kept:
            _remove(path)
    _fetch(wanted, read, place.with_name("part"))


def missing(place: Path, found: list[Found]) -> tuple[int, int]:
    """How many files would come, and their bytes together."""
    lacking = [one.size for one in found if stat.S_ISREG(one.mode) and not _is_same(place / _text(one.path), one)]
    return len(lacking), sum(lacking)


def _text(name: str) -> str:
    return os.fsdecode(bytes.fromhex(name))


def _link(target: Path, points_to: str) -> None:
    if not target.is_symlink() or os.fspath(target.readlink()) != points_to:
        _remove(target)
        target.symlink_to(points_to)


def _fetch(wanted: list[tuple[Path, Found]], read: Read, part: Path) -> None:
    for batch in _batches(wanted):
        pieces = read([(one.path, start, count) for _, one, start, count in batch])
        for (target, one, start, count), data in zip(batch, pieces, strict=True):
            with part.open("wb" if start == 0 else "ab") as out:
                out.write(data)
            if start + count >= one.size:
                part.chmod(0o644)
                os.utime(part, ns=(one.changed, one.changed))
                if target.is_dir() and not target.is_symlink():
                    _remove(target)
                part.replace(target)


def _batches(wanted: list[tuple[Path, Found]]) -> Iterator[list[tuple[Path, Found, int, int]]]:
    batch: list[tuple[Path, Found, int, int]] = []
    size = 0
    for target, one in wanted:
        for start in range(0, max(one.size, 1), BATCH_BYTES):
            count = min(BATCH_BYTES, one.size - start)
            if batch and (size + count > BATCH_BYTES or len(batch) >= BATCH_FILES):
                yield batch
                batch, size = [], 0
            batch.append((target, one, start, count))
            size += count
    if batch:
        yield batch


def _is_same(target: Path, one: Found) -> bool:
    try:
        here = target.lstat()
    except OSError:
        return False
    return stat.S_ISREG(here.st_mode) and (here.st_size, here.st_mtime_ns) == (one.size, one.changed)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _append(file: Path, start: int, data: bytes) -> bool:
    """Whether the data is in the file. Raises `OSError` on a full disk, with nothing half kept."""
    if not data:
        return True
    if _size(file) != start:
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
    finally:
        os.close(fd)
    return True


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
