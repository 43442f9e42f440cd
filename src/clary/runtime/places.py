"""The folder of one instance: what lies where on the machine, and where each part is seen inside.

spec.json lock status.jsonl metrics.jsonl   between backend and shim
ml/          /opt/ml, all of it writable, below the mounts
%2F.../      one per `Workload.folders`, each mounted by itself, so that what a user does to the folders above
             it (a link in their place, say) cannot lead a reader of the outputs astray
private/     copies for `Mount.private`
files/       small files, where there is no memory of the instance's own to keep them in
packages/    what the job installs (`layer.py`)
run/         /opt/clary/run of one that serves, holds `serve.sock`
tmp/ root/   /tmp and /root, on disk

As little as possible: making a file can take a fifth of a millisecond on a disk on which many come and go.
"""

import contextlib
import functools
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from clary.runtime.sandbox import Entry
from clary.runtime.workload import Instance, Mount, Workload

ML = PurePosixPath("/opt/ml")
CONFIGS = (ML / "input/config", ML / "config")
"""What tells the user's process about its job lies in memory, where there is some."""
RUN = "/opt/clary/run"
MAX_SOCKET_FOLDER = 90


class BadTarget(ValueError):
    """A path inside the sandbox that is not absolute, or climbs."""


def named(folder: Path, target: str) -> Path:
    """Where the writable folder seen at `target` lies."""
    return folder / _name(target)


@functools.lru_cache(1024)
def _name(target: str) -> str:
    return quote(str(_checked(target)), safe="")


def below_ml(folder: Path, target: str) -> Path:
    """Where something below /opt/ml lies that is in none of the writable folders."""
    return folder / "ml" / _checked(target).relative_to(ML)


def inside(folder: Path, folders: Iterable[str], target: str) -> Path:
    """Where something below /opt/ml lies, be it in one of the writable folders or in none."""
    above = _writable_above(target, tuple(folders))
    if above is None:
        return below_ml(folder, target)
    return named(folder, str(above)) / _checked(target).relative_to(above)


def lay_out(folder: Path, workload: Workload, instance: Instance) -> list[Entry]:
    """Make the folder's contents; answers the view's entries that show them. May be repeated after a crash."""
    shown = {"ml": str(ML), "tmp": "/tmp", "root": "/root"} | ({"run": RUN} if workload.purpose == "serve" else {})
    for name in shown:
        (folder / name).mkdir(exist_ok=True)
    entries = [Entry("rw", f"{folder}/{name}", target) for name, target in shown.items()]
    entries.append(Entry("link", "/tmp", "/var/tmp"))
    entries += _folders(folder, workload.folders, workload.seeds)
    entries += [_mount(folder, number, mount) for number, mount in enumerate(instance.mounts)]
    entries += _files(folder, workload.folders, instance.files)
    return entries


def on_disk(folder: Path, entries: Iterable[Entry]) -> list[Entry]:
    """The same with texts in files, for a sandbox that can show nothing else."""
    return [_file(folder, entry) if entry.kind == "text" else entry for entry in entries]


def link(entries: Iterable[Entry], roots: Mapping[PurePosixPath, Path]) -> None:
    """Without a sandbox: show the entries that belong below a root as links and files below its folder."""
    for entry in entries:
        target = PurePosixPath(entry.target)
        root = next((root for root in roots if target.is_relative_to(root) and target != root), None)
        if root is None or entry.kind == "tmpfs":
            continue
        place = roots[root] / target.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        if entry.kind == "text":
            place.write_bytes(_content(entry))
        elif not place.is_symlink():
            place.symlink_to(entry.source)


def short(folder: Path) -> Path:
    """The folder by a name that leaves room for a socket's; the kernel takes 107 bytes for all of it."""
    if len(bytes(folder)) <= MAX_SOCKET_FOLDER:
        return folder
    link = _short_link(folder)
    link.parent.mkdir(mode=0o700, exist_ok=True)
    if link.parent.stat().st_uid != os.geteuid() or link.parent.is_symlink():
        raise PermissionError(f"{link.parent} belongs to somebody else")
    if not link.is_symlink():
        with contextlib.suppress(FileExistsError):
            link.symlink_to(folder)
    return link


def forget_short(folder: Path) -> None:
    """Remove the other name."""
    _short_link(folder).unlink(missing_ok=True)


def _short_link(folder: Path) -> Path:
    digest = hashlib.sha256(bytes(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir(), f"clary-sockets-{os.geteuid()}", digest)


def _folders(folder: Path, targets: Iterable[str], seeds: Mapping[str, str]) -> list[Entry]:
    entries = []
    for target in sorted(targets, key=lambda text: len(PurePosixPath(text).parts)):
        place = named(folder, target)
        if target in seeds and not place.exists():
            _copy(Path(seeds[target]), place)
        place.mkdir(exist_ok=True)
        entries.append(Entry("rw", str(place), target))
    return entries


def _mount(folder: Path, number: int, mount: Mount) -> Entry:
    _checked(mount.target)
    if not mount.private:
        return Entry("rw" if mount.writable else "ro", mount.source, mount.target, mount.root)
    copy = folder / "private" / str(number)
    if not copy.exists():
        copy.parent.mkdir(exist_ok=True)
        _copy(Path(mount.source), copy)
    return Entry("rw", str(copy), mount.target)


def _copy(source: Path, copy: Path) -> None:
    """A copy with its own bytes: a hard link would let the user edit what the source shares them with."""
    started = copy.with_name(f"{copy.name}.new")
    if source.is_dir():
        shutil.rmtree(started, ignore_errors=True)
        _copy_tree(source, started)
    else:
        shutil.copyfile(source, started)
    for path in (started, *started.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o700 if path.is_dir() else 0o600))
    started.rename(copy)


def _copy_tree(source: Path, copy: Path) -> None:
    # Not `shutil.copytree`, which goes on after an error and forgets which one it was: a full disk is to be known.
    copy.mkdir()
    for entry in source.iterdir():
        target = copy / entry.name
        if entry.is_symlink():
            target.symlink_to(entry.readlink())
        elif entry.is_dir():
            _copy_tree(entry, target)
        else:
            shutil.copy2(entry, target)


def _files(folder: Path, folders: Iterable[str], files: Mapping[str, bytes]) -> list[Entry]:
    entries = []
    for target, content in files.items():
        above = _writable_above(target, tuple(folders))
        if above is not None:
            _write(inside(folder, folders, target), content)
        else:
            entries.append(Entry("text", content.decode("utf-8", "surrogateescape"), target))
    shown = [str(config) for config in CONFIGS if any(entry.target.startswith(f"{config}/") for entry in entries)]
    return [*entries, *(Entry("tmpfs", "", config) for config in shown)]


@functools.lru_cache(1024)
def _writable_above(target: str, folders: tuple[str, ...]) -> PurePosixPath | None:
    """The innermost writable folder that holds the target."""
    parents = [path for path in map(PurePosixPath, folders) if _checked(target).is_relative_to(path)]
    return max(parents, key=lambda path: len(path.parts), default=None)


def _file(folder: Path, entry: Entry) -> Entry:
    place = folder / "files" / quote(entry.target, safe="")
    _write(place, _content(entry))
    return Entry("rw", str(place), entry.target)


def _content(entry: Entry) -> bytes:
    return entry.source.encode("utf-8", "surrogateescape")


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _checked(target: str) -> PurePosixPath:
    path = PurePosixPath(target)
    if not path.is_absolute() or ".." in path.parts or "\0" in target:
        raise BadTarget(target)
    return path
