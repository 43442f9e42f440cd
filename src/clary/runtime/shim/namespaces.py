"""The sandbox rung that needs no program: namespaces made by the shim's own child.

Three processes, as bubblewrap has them: an outer one that the shim waits for, the init of the new pid namespace,
which builds the view and reaps, and the user's. Reports like bubblewrap's go to the shim.
"""

import contextlib
import fcntl
import json
import os
import signal
import socket
import struct

from clary.runtime.shim import below, kernel
from clary.runtime.shim.spec import View

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_SPACES = kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
_NEW, _OLD = "/new", "/old"


def run(view: View, directory: str, command: list[str], environment: dict[str, str], reports: int) -> int:
    """Run the command in a sandbox; answers its exit code. Raises `OSError` when there is no such sandbox here."""
    kernel.die_with_parent(signal.SIGKILL)
    uid, gid = os.geteuid(), os.getegid()
    kernel.unshare(_SPACES | (0 if view["network"] else kernel.CLONE_NEWNET))
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    ready, ready_end = os.pipe()
    init = os.fork()
    if init == 0:
        os.close(reports)
        os.close(ready)
        _init(view, directory, command, environment, ready_end)
    os.close(ready_end)
    os.write(reports, json.dumps({"child-pid": init}).encode() + b"\n")
    _, status = os.waitpid(init, 0)
    code = _code(status)
    if os.read(ready, 1):
        os.write(reports, json.dumps({"exit-code": code}).encode() + b"\n")
    return code


def _init(view: View, directory: str, command: list[str], environment: dict[str, str], ready: int) -> None:
    try:
        kernel.die_with_parent(signal.SIGKILL)
        kernel.hostname(view["hostname"])
        if not view["network"]:
            _loopback_up()
        _build(view)
        os.chdir(directory)
        kernel.drop_privileges()
        user = os.fork()
        if user == 0:
            os.close(ready)
            _execute(command, environment)
        os.write(ready, b"!")
        while True:
            pid, status = os.wait()
            if pid == user:
                os._exit(_code(status))
    except OSError as error:
        os.write(2, f"Clary: the sandbox could not be made: {error}\n".encode())
    finally:
        os._exit(125)


def _execute(command: list[str], environment: dict[str, str]) -> None:
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        os.write(2, f"Clary: {command[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _build(view: View) -> None:
    """Mount the view below a fresh root and make it the root."""
    sources = [[kind, _found(source, root), to] for kind, source, to, root in view["entries"]]
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("tmpfs", "/tmp", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755")
    os.mkdir(f"/tmp{_NEW}")
    os.mkdir(f"/tmp{_OLD}")
    kernel.mount("tmpfs", f"/tmp{_NEW}", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755")
    kernel.pivot_root("/tmp", f"/tmp{_OLD}")
    os.chdir("/")
    for kind, source, target in sources:
        _show(kind, source, f"{_NEW}{target}")
    os.chdir(_NEW)
    kernel.pivot_root(".", ".")
    kernel.detach(".")
    os.chdir("/")


def _found(source: str, root: str) -> str:
    """Where a source is, before the root changes."""
    if root:
        return f"/proc/self/fd/{below.open_folder(root, source)}"
    return os.path.realpath(source) if source[:1] == "/" else source


def _show(kind: str, source: str, target: str) -> None:
    if kind in ("ro", "rw", "dev"):
        # Parts of /proc are shown as the new one has them; what was opened before is known to the old one.
        is_new = source.startswith("/proc/") and not source.startswith("/proc/self/fd/")
        origin = f"{_NEW}{source}" if is_new else f"{_OLD}{source}"
        _bind(origin, target, kind)
    elif kind == "link":
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.symlink(source, target)
    else:
        os.makedirs(target, exist_ok=True)
        if kind == "proc":
            kernel.mount("proc", target, "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
        else:
            kernel.mount("tmpfs", target, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755")
        if kind == "devices":
            _devices(target)


def _bind(origin: str, target: str, kind: str) -> None:
    if os.path.isdir(origin):
        os.makedirs(target, exist_ok=True)
    elif not os.path.lexists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    kernel.mount(origin, target, flags=kernel.MS_BIND | kernel.MS_REC)
    attributes = kernel.ATTR_NOSUID
    if kind == "ro":
        attributes |= kernel.ATTR_RDONLY
    if kind != "dev" and not origin.startswith(f"{_OLD}/dev/"):
        attributes |= kernel.ATTR_NODEV
    kernel.set_attributes(target, attributes)


def _devices(target: str) -> None:
    for name in DEVICES:
        os.close(os.open(f"{target}/{name}", os.O_CREAT | os.O_WRONLY, 0o666))
        kernel.mount(f"{_OLD}/dev/{name}", f"{target}/{name}", flags=kernel.MS_BIND)
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


def _code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code
