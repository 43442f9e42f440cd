"""Where on the disk folders go that have nothing to do with each other, such as jobs. `LocalBackend` calls it."""

import array
import contextlib
import fcntl
import os
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
