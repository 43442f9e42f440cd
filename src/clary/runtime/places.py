"""The folder of one instance: what lies where on the machine, and where each part is seen inside.

spec.json lock control status.json metrics.jsonl   between backend and shim
ml/          /opt/ml, all of it writable, below the mounts
folders/     one per `Workload.folders`, each mounted by itself, so that what a user does to the folders above
             it (a link in their place, say) cannot lead a reader of the outputs astray
private/     copies for `Mount.private`
files/       small files outside /opt/ml, and the generated part of /etc
run/         /opt/clary/run, holds `serve.sock`
scratch/     /tmp, /var/tmp and /root, on disk
"""

import contextlib
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
RUN = "/opt/clary/run"
MAX_SOCKET_FOLDER = 90


class BadTarget(ValueError):
    """A path inside the sandbox that is not absolute, or climbs."""


def named(folder: Path, target: str) -> Path:
    """Where the writable folder seen at `target` lies."""
    return folder / "folders" / quote(str(_checked(target)), safe="")


def below_ml(folder: Path, target: str) -> Path:
    """Where something below /opt/ml lies that is in none of the writable folders."""
    return folder / "ml" / _checked(target).relative_to(ML)


def lay_out(folder: Path, workload: Workload, instance: Instance, etc: Mapping[str, str]) -> list[Entry]:
    """Make the folder's contents; answers the view's entries that show them. May be repeated after a crash."""
    for name in ("ml", "run", "scratch/tmp", "scratch/var", "scratch/root", "files"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    entries = [Entry("rw", str(folder / "ml"), str(ML)), Entry("rw", str(folder / "run"), RUN)]
    entries += _scratch(folder)
    entries += _folders(folder, workload.folders, workload.seeds)
    entries += [_mount(folder, number, mount) for number, mount in enumerate(instance.mounts)]
    entries += _files(folder, workload.folders, instance.files)
    entries += [_file(folder, f"/etc/{name}", text.encode()) for name, text in etc.items()]
    return entries


def link(folder: Path, entries: Iterable[Entry]) -> None:
    """Without a sandbox: show the entries that belong below /opt/ml as links below `ml/`."""
    for entry in entries:
        target = PurePosixPath(entry.target)
        if not target.is_relative_to(ML) or target == ML:
            continue
        place = folder / "ml" / target.relative_to(ML)
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.is_symlink():
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


def _scratch(folder: Path) -> list[Entry]:
    shown = {"tmp": "/tmp", "var": "/var/tmp", "root": "/root"}
    return [Entry("rw", str(folder / "scratch" / name), target) for name, target in shown.items()]


def _folders(folder: Path, targets: Iterable[str], seeds: Mapping[str, str]) -> list[Entry]:
    entries = []
    for target in sorted(targets, key=lambda text: len(PurePosixPath(text).parts)):
        place = named(folder, target)
        place.parent.mkdir(parents=True, exist_ok=True)
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
        shutil.copytree(source, started, symlinks=True)
    else:
        shutil.copyfile(source, started)
    for path in (started, *started.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o700 if path.is_dir() else 0o600))
    started.rename(copy)


def _files(folder: Path, folders: Iterable[str], files: Mapping[str, bytes]) -> list[Entry]:
    entries = []
    for target, content in files.items():
        inside = _checked(target)
        parents = sorted((PurePosixPath(name) for name in folders), key=lambda path: -len(path.parts))
        above = next((path for path in parents if inside.is_relative_to(path)), None)
        if above is not None:
            _write(named(folder, str(above)) / inside.relative_to(above), content)
        elif inside.is_relative_to(ML):
            _write(below_ml(folder, target), content)
        else:
            entries.append(_file(folder, target, content))
    return entries


def _file(folder: Path, target: str, content: bytes) -> Entry:
    place = folder / "files" / quote(target, safe="")
    _write(place, content)
    return Entry("ro", str(place), target)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _checked(target: str) -> PurePosixPath:
    path = PurePosixPath(target)
    if not path.is_absolute() or ".." in path.parts or "\0" in target:
        raise BadTarget(target)
    return path
