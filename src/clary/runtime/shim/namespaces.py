"""The sandbox rung that needs no program: namespaces, and the view in them, made by the shim's own child.

Two processes: the init of the new pid namespace, which is forked from the shim, builds the view and reaps, and the
user's. The training toolkit is called in the init, where starting its interpreter would cost more than its work.
"""

import contextlib
import fcntl
import os
import select
import signal
import socket
import stat
import struct
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from clary.runtime.shim import below, files, kernel
from clary.runtime.shim.spec import View
from clary.runtime.toolkit import main as toolkit
from clary.runtime.toolkit import process

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_SPACES = kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
_TMPFS = kernel.MS_NOSUID | kernel.MS_NODEV
preloaded: Callable[[], None] | None = None
"""In a process that has imported a model server: what is run in place of the command (`serving/server/zygote.py`)."""
NOT_MADE = 125
"""Exit code of an init whose sandbox could not be made."""


def fork(view: View) -> int:
    """As `os.fork`; the child is root of a user namespace and still sees the machine's files. Raises `OSError`."""
    uid, gid = os.geteuid(), os.getegid()
    pid = kernel.fork(_SPACES | (0 if view["network"] else kernel.CLONE_NEWNET))
    if pid == 0:
        for name, text in (("setgroups", b"deny"), ("uid_map", b"0 %d 1" % uid), ("gid_map", b"0 %d 1" % gid)):
            files.write(f"/proc/self/{name}", text)
    return pid


def init(view: View, command: list[str], environment: dict[str, str], begun: int, *, calls: bool) -> NoReturn:
    """Be the init: shut everything else out, run the command and exit as it did. `begun` is written to and closed
    once the sandbox stands and termination is listened to. `calls`: the command is the toolkit's, and is called."""
    code = NOT_MADE
    try:
        _live_as_long_as_the_shim()
        kernel.hostname(view["hostname"])
        if not view["network"]:
            _loopback_up()
        _build(view)
        kernel.drop_privileges()
        signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))
        os.environ.clear()
        os.environ.update(environment)
        os.write(begun, b"!")
        os.close(begun)
        if preloaded:
            code = process.forked(preloaded)
        else:
            code = _call(command) if calls else process.through(command, environment)
    except OSError as error:
        os.write(2, f"Clary: the sandbox could not be made: {error}\n".encode())
    finally:
        os._exit(code)


def _live_as_long_as_the_shim() -> None:
    kernel.die_with_parent(signal.SIGKILL)
    # It may have ended just before: then nobody reads what is said here.
    poll = select.poll()
    poll.register(1, 0)
    if poll.poll(0):
        os._exit(NOT_MADE)


def _call(command: list[str]) -> int:
    sys.executable = command[0]
    try:
        return toolkit.main(os.environ)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        return 1


def _build(view: View) -> None:
    """Make the view the root. What it shows is taken hold of before the machine's files are let go."""
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    held = [(kind, _hold(kind, source, root), source, target) for kind, source, target, root in view["entries"]]
    devices = [(name, kernel.tree(f"/dev/{name}", kernel.ATTR_NOSUID)) for name in DEVICES]
    kernel.mount("tmpfs", "/tmp", "tmpfs", _TMPFS, "mode=755")
    os.mkdir("/tmp/proc")
    # Here, because the kernel allows it only where another one is seen whole.
    kernel.mount("proc", "/tmp/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    os.chdir("/tmp")
    kernel.pivot_root(".", ".")
    kernel.detach(".")
    os.chdir("/")
    made = {"", "/"}
    for kind, fd, source, target in held:
        _show(kind, fd, source, target, devices, made)


def _hold(kind: str, source: str, root: str) -> int:
    """A descriptor of what is to be shown; -1 for what is made, or is a part of the new /proc."""
    if kind not in ("ro", "rw", "dev") or source.startswith("/proc/"):
        return -1
    attributes = kernel.ATTR_NOSUID | (kernel.ATTR_RDONLY if kind == "ro" else 0)
    if kind != "dev" and not source.startswith("/dev/"):
        attributes |= kernel.ATTR_NODEV
    if not root:
        return kernel.tree(source, attributes)
    folder = below.open_folder(root, source)
    try:
        return kernel.tree(folder, attributes)
    finally:
        os.close(folder)


def _show(kind: str, fd: int, source: str, target: str, devices: list[tuple[str, int]], made: set[str]) -> None:
    """`made`: folders that are known to be there; below what is mounted over one, nothing is."""
    if kind in ("ro", "rw", "dev"):
        _put(fd if fd >= 0 else kernel.tree(source, kernel.ATTR_RDONLY), target, made)
    elif kind == "link":
        _folder(_above(target), made)
        os.symlink(source, target)
    elif kind == "text":
        _folder(_above(target), made)
        files.write(target, source.encode("utf-8", "surrogateescape"), os.O_CREAT | os.O_TRUNC)
    elif kind == "tmpfs":
        _folder(target, made)
        kernel.mount("tmpfs", target, "tmpfs", _TMPFS, "mode=755")
    elif kind == "devices":
        _devices(target, devices, made)


def _put(fd: int, target: str, made: set[str]) -> None:
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        _folder(target, made)
    else:
        _folder(_above(target), made)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    kernel.place(fd, target)
    os.close(fd)


def _above(path: str) -> str:
    return path.rpartition("/")[0]


def _folder(path: str, made: set[str]) -> None:
    if path in made:
        return
    try:
        os.mkdir(path)
    except FileExistsError:
        pass
    except FileNotFoundError:
        _folder(_above(path), made)
        os.mkdir(path)
    made.add(path)


def _devices(target: str, devices: list[tuple[str, int]], made: set[str]) -> None:
    _folder(target, made)
    kernel.mount("tmpfs", target, "tmpfs", _TMPFS, "mode=755")
    for name, fd in devices:
        _put(fd, f"{target}/{name}", made)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.symlink(f"/proc/self/fd/{number}", f"{target}/{name}")
    os.symlink("/proc/self/fd", f"{target}/fd")
    os.mkdir(f"{target}/pts")
    with contextlib.suppress(OSError):
        kernel.mount(
            "devpts", f"{target}/pts", "devpts", kernel.MS_NOSUID | kernel.MS_NOEXEC, "newinstance,ptmxmode=0666"
        )
        os.symlink("pts/ptmx", f"{target}/ptmx")


def _loopback_up() -> None:
    up, get, put = 1, 0x8913, 0x8914
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        answer = fcntl.ioctl(sock, get, struct.pack("16sH14x", b"lo", 0))
        (flags,) = struct.unpack_from("H", answer, 16)
        fcntl.ioctl(sock, put, struct.pack("16sH14x", b"lo", flags | up))
