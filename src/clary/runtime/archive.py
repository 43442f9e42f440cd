"""Archives of and for user code: packing outputs whose content is hostile, extracting archives that are.

Standard library only and no imports of ours: extraction runs inside sandboxes too.
"""

import contextlib
import errno
import lzma
import os
import shutil
import stat
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

COMPRESSION = 1
"""Models hardly shrink; the fastest level takes a fifth of the usual one's time."""
MAX_BYTES = 64 * 1024**3
MAX_MEMBERS = 1_000_000
CHUNK = 1024 * 1024
LONGEST_PATH = 3800
"""Bytes: below the system's 4096 with room for one more name."""


class BadArchive(Exception):
    """The archive would do harm, or is none. The message is fit for the user."""


def pack(folders: Iterable[Path], target: Path) -> None:
    """Write a tar.gz of the folders' contents, merged at its root; of equal paths the last folder's stays.

    Streams. No link is followed: links that stay inside are kept as links, the others, devices, pipes and sockets
    are left out. The target appears whole. Raises `BadArchive` where names nest too deeply.
    """
    partial = target.with_name(f".{target.name}.part")
    with tarfile.open(partial, "w:gz", compresslevel=COMPRESSION, dereference=False) as tar:
        for name, path in sorted(_merged(folders).items()):
            _add(tar, name, path)
    partial.replace(target)


def extract(archive: Path, target: Path, *, max_bytes: int = MAX_BYTES, max_members: int = MAX_MEMBERS) -> None:
    """Unpack a tar (any compression) below `target`, which is made. Raises `BadArchive`, leaving what was unpacked.

    Not tarfile's own filter: a chain of links longer than the longest path leads it out (CVE-2025-4517). Here no
    member is ever written through a link, whatever put the link there.
    """
    target.mkdir(parents=True, exist_ok=True)
    root = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with tarfile.open(archive, "r|*") as tar:
            _extract_all(tar, root, max_bytes, max_members)
    except (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, ValueError, TypeError) as error:
        # tarfile lets a broken header out as whatever it tripped over.
        raise BadArchive(f"cannot read {archive.name}: {error}") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise BadArchive(f"no space left for the contents of {archive.name}") from error
        if error.errno is None:
            raise BadArchive(f"cannot read {archive.name}: {error}") from error
        raise
    finally:
        os.close(root)


def open_file(folder: Path, file: Path) -> int:
    """A descriptor of a plain file below a folder that user code may be changing at this moment.

    No link is followed on the way, the ones in the place of folders included. Raises `OSError` for anything else.
    """
    *parents, name = file.relative_to(folder).parts
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    for part in parents:
        above = here
        try:
            here = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
        finally:
            os.close(above)
    try:
        found = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=here)
    finally:
        os.close(here)
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise OSError(errno.EINVAL, "not a plain file", str(file))
    return found


def _merged(folders: Iterable[Path]) -> dict[str, Path]:
    chosen: dict[str, Path] = {}
    for folder in folders:
        chosen |= {path.relative_to(folder).as_posix(): path for path in entries(folder)}
    return chosen


def entries(folder: Path) -> Iterator[Path]:
    """Everything below a folder whose content is hostile, parents first, no link followed.

    Raises `BadArchive` where names nest too deeply to be opened.
    """
    waiting = [folder] if folder.is_dir() else []
    while waiting:
        inner = waiting.pop()
        if len(os.fsencode(inner)) > LONGEST_PATH:
            raise BadArchive("folders are nested too deeply")
        for entry in sorted(inner.iterdir()):
            yield entry
            if entry.is_dir() and not entry.is_symlink():
                waiting.append(entry)


def _add(tar: tarfile.TarFile, name: str, path: Path) -> None:
    found = path.lstat()
    member = tarfile.TarInfo(name)
    member.mtime, member.mode = int(found.st_mtime), stat.S_IMODE(found.st_mode) & 0o777
    if stat.S_ISDIR(found.st_mode):
        member.type = tarfile.DIRTYPE
        tar.addfile(member)
    elif stat.S_ISLNK(found.st_mode):
        member.type, member.linkname = tarfile.SYMTYPE, str(path.readlink())
        if _stays_inside(name, member.linkname):
            tar.addfile(member)
    elif stat.S_ISREG(found.st_mode):
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            member.size = os.fstat(file.fileno()).st_size
            tar.addfile(member, file)


def _stays_inside(name: str, link: str) -> bool:
    """Whether a link at `name` leads to a place under the root, counted by its text alone."""
    if link.startswith("/"):
        return False
    depth = len(PurePosixPath(name).parts) - 1
    for part in PurePosixPath(link).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return True


def _extract_all(tar: tarfile.TarFile, root: int, max_bytes: int, max_members: int) -> None:
    left = max_bytes
    for count, member in enumerate(tar, 1):
        left -= max(0, member.size)
        if count > max_members or left < 0:
            raise BadArchive(f"the archive holds more than {max_members} members or {max_bytes} bytes")
        parts = _parts(member.name)
        if not parts:
            continue
        if not (member.isdir() or member.isreg() or member.issym() or member.islnk()):
            raise BadArchive(f"{member.name!r} is a device or a pipe")
        folder = _folder(root, parts[:-1])
        try:
            _place(tar, member, root, folder, parts[-1])
        finally:
            os.close(folder)


def _parts(name: str) -> list[str]:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise BadArchive(f"{name!r} leads out of the archive's folder")
    return parts


def _folder(root: int, parts: list[str]) -> int:
    """A descriptor of the folder below `root`, made if need be; a link on the way is refused."""
    here = os.dup(root)
    for part in parts:
        try:
            here = _step(here, part)
        except OSError as error:
            raise BadArchive(f"{'/'.join(parts)!r} leads through a link or a file: {error.strerror}") from error
    return here


def _step(here: int, part: str) -> int:
    """The folder `part` of the folder `here`, whose descriptor is given up."""
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(part, 0o755, dir_fd=here)
        return os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
    finally:
        os.close(here)


def _place(tar: tarfile.TarFile, member: tarfile.TarInfo, root: int, folder: int, name: str) -> None:
    if member.isdir():
        os.close(_step(os.dup(folder), name))
        return
    _clear(folder, name)
    if member.issym():
        if not _stays_inside("/".join(_parts(member.name)), member.linkname):
            raise BadArchive(f"the link {member.name!r} leads out of the archive's folder")
        os.symlink(member.linkname, name, dir_fd=folder)
    elif member.islnk():
        _copy_linked(member, root, folder, name)
    else:
        source = tar.extractfile(member)
        if source is not None:
            _write(source, folder, name, member.mode)


def _copy_linked(member: tarfile.TarInfo, root: int, folder: int, name: str) -> None:
    """A hard link becomes a copy of a file that was unpacked before."""
    parts = _parts(member.linkname)
    origin = _folder(root, parts[:-1])
    try:
        source = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=origin)
    except OSError as error:
        raise BadArchive(f"{member.name!r} is a link to {member.linkname!r}: {error.strerror}") from error
    finally:
        os.close(origin)
    with os.fdopen(source, "rb") as file:
        _write(file, folder, name, stat.S_IMODE(os.fstat(source).st_mode))


def _write(source: IO[bytes], folder: int, name: str, mode: int) -> None:
    # Neither setuid nor unreadable to its owner.
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode & 0o755 | 0o600, dir_fd=folder)
    with os.fdopen(fd, "wb") as file:
        shutil.copyfileobj(source, file, CHUNK)


def _clear(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise BadArchive(f"{name!r} is both a folder and a file") from error
