"""Folders that come and go: where on the disk they are made, and how they are removed. `LocalBackend` calls it."""

import array
import contextlib
import errno
import fcntl
import os
import shutil
import subprocess
from pathlib import Path

_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602
"""FS_IOC_GETFLAGS and FS_IOC_SETFLAGS of <linux/fs.h>, where a long has eight bytes."""
_TOP_FOLDER = 0x20000
"""FS_TOPDIR_FL: what lies in this folder is unrelated. `chattr +T`."""


def spread(folder: Path) -> None:
    """Make the folder, and ask for each folder made in it to lie in a part of the disk of its own.

    ext4 else crowds them into one part, where it passes over everything that was deleted in the last minute each time
    it makes a file, if it has no journal: ten times the work, once jobs come and go. A hint: others do not know it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):
            flags = array.array("L", [0])
            fcntl.ioctl(opened, _GET_FLAGS, flags)
            flags[0] |= _TOP_FOLDER
            fcntl.ioctl(opened, _SET_FLAGS, flags)
    finally:
        os.close(opened)


def is_full(error: OSError) -> bool:
    """Whether it says that there is no room, on the disk or in the user's share of it."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def link(source: Path | str, target: Path | str) -> None:
    """A hard link, or a copy where there can be none. Raises `FileNotFoundError` for a source that is gone."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        # Another file system, or one that has no room for one more link.
        shutil.copyfile(source, target)


def delete(folder: Path) -> None:
    """Remove what user code has left, whatever it is."""
    try:
        _remove(str(folder), None)
    except (OSError, RecursionError):
        # User code can shut folders, and nest them deeper than Python recurses and paths reach; these two open them
        # and walk by file descriptor.
        subprocess.run(["chmod", "-R", "u+rwX", str(folder)], capture_output=True, check=False)
        subprocess.run(["rm", "-rf", "--", str(folder)], capture_output=True, check=True)


def _remove(name: str, above: int | None) -> None:
    """A folder and all in it, by descriptors. Most that a job leaves are empty: those go without being looked into."""
    try:
        os.rmdir(name, dir_fd=above)
        return
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise
    here = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
    try:
        with os.scandir(here) as entries:
            inside = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for each, is_folder in inside:
            if is_folder:
                _remove(each, here)
            else:
                os.unlink(each, dir_fd=here)
    finally:
        os.close(here)
    os.rmdir(name, dir_fd=above)
