"""The few system calls that Python has no name for. The nursery imports it for all shims: ctypes takes a while."""

import ctypes
import os
import signal
import sys

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
MS_REC, MS_PRIVATE = 0x4000, 0x40000
MNT_DETACH = 2

ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV = 1, 2, 4
_AT_FDCWD, _AT_EMPTY_PATH, _AT_RECURSIVE = -100, 0x1000, 0x8000
_OPEN_TREE_CLONE, _MOVE_MOUNT_F_EMPTY_PATH, _MOVE_MOUNT_T_SYMLINKS = 1, 4, 0x10
_SYS_OPEN_TREE, _SYS_MOVE_MOUNT, _SYS_MOUNT_SETATTR = 428, 429, 442
_SYS_CLONE, _SYS_PIVOT_ROOT = {"x86_64": (56, 155)}.get(os.uname().machine, (220, 41))

_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 24, 36, 38

_libc = ctypes.CDLL(None, use_errno=True)
_holding = ctypes.PyDLL(None, use_errno=True)
"""Keeps the interpreter's lock during a call, so that a child that comes out of one has it."""


def fork(flags: int) -> int:
    """As `os.fork`, with the child in new namespaces from its first instruction. Only for one that has no threads."""
    pid = int(_holding.syscall(_SYS_CLONE, flags | signal.SIGCHLD, None, None, None, None))
    _check(pid, "clone")
    return pid


def unshare(flags: int) -> None:
    """Leave namespaces for new ones."""
    _check(_libc.unshare(flags), "unshare")


def setns(fd: int, kind: int) -> None:
    """Enter the namespace behind a descriptor."""
    _check(_libc.setns(fd, kind), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2)."""
    done = _libc.mount(source.encode(), target.encode(), kind.encode() or None, flags, data.encode() or None)
    _check(done, f"mount {source} on {target}")


def tree(source: str | int, attributes: int) -> int:
    """A descriptor of a copy of the mount at `source`, a path or a descriptor, and of all below it, with `ATTR_*` added
    to each."""
    flags = _OPEN_TREE_CLONE | _AT_RECURSIVE | os.O_CLOEXEC
    if isinstance(source, int):
        fd = int(_libc.syscall(_SYS_OPEN_TREE, source, b"", flags | _AT_EMPTY_PATH))
    else:
        fd = int(_libc.syscall(_SYS_OPEN_TREE, _AT_FDCWD, source.encode(), flags))
    _check(fd, f"open_tree {source}")
    set_attributes(fd, attributes)
    return fd


def set_attributes(fd: int, attributes: int) -> None:
    """Add `ATTR_*` to a mount and all mounts below it."""
    wanted = attributes.to_bytes(8, sys.byteorder) + bytes(24)
    done = _libc.syscall(_SYS_MOUNT_SETATTR, fd, b"", _AT_EMPTY_PATH | _AT_RECURSIVE, wanted, len(wanted))
    _check(done, "mount_setattr")


def place(fd: int, target: str) -> None:
    """Show a `tree` at `target`."""
    flags = _MOVE_MOUNT_F_EMPTY_PATH | _MOVE_MOUNT_T_SYMLINKS
    _check(_libc.syscall(_SYS_MOVE_MOUNT, fd, b"", _AT_FDCWD, target.encode(), flags), f"move_mount to {target}")


def pivot_root(new: str, old: str) -> None:
    """Make `new` the root and hang the present one at `old`."""
    _check(_libc.syscall(_SYS_PIVOT_ROOT, new.encode(), old.encode()), "pivot_root")


def detach(target: str) -> None:
    """Unmount, even while in use."""
    _check(_libc.umount2(target.encode(), MNT_DETACH), f"unmount {target}")


def hostname(name: str) -> None:
    """Set the host name."""
    _check(_libc.sethostname(name.encode(), len(name.encode())), "sethostname")


def die_with_parent(number: int) -> None:
    """Be sent a signal when the parent ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0), "prctl")


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def drop_privileges() -> None:
    """Give up every capability, now and for whatever is executed later."""
    number = 0
    while _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) == 0:
        number += 1
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _check(_libc.capset(ctypes.byref(header), ctypes.byref(nothing)), "capset")
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")


def _check(result: int, what: str) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
