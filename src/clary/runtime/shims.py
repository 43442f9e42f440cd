"""Starting shims and talking to them: locks, requests, status files. What `LocalBackend` knows of them is here."""

import contextlib
import fcntl
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import clary
from clary.runtime.shim import hub
from clary.runtime.shim.hub import HubSpec
from clary.runtime.shim.spec import Spec

_START = "import sys; sys.path.insert(0, sys.argv[2]); from clary.runtime.shim.{} import main; main(sys.argv[1])"
_LOCK_FD = 3
MARK = "CLARY_INSTANCE"
"""In the environment of unsandboxed processes: the folder of the instance they belong to."""
_started: list[int] = []


def interpreter() -> str:
    """The real interpreter behind whatever virtual environment this runs in."""
    return str(Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}").resolve())


def package_root() -> Path:
    """The folder that holds the package `clary`."""
    return Path(clary.__file__).resolve().parent.parent


def lock(folder: Path) -> int | None:
    """Take the folder's lock: its descriptor, or `None` while a shim lives."""
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def alive(folder: Path) -> bool:
    """Whether a shim holds the folder."""
    if not (folder / "lock").exists():
        return False
    fd = lock(folder)
    if fd is not None:
        os.close(fd)
    return fd is None


def start(folder: Path, spec: Spec, lock_fd: int) -> None:
    """Write the spec and start a shim that inherits the lock, so that there is no moment without a holder."""
    replace(folder / "spec.json", json.dumps(spec).encode())
    with contextlib.suppress(FileExistsError):
        os.mkfifo(folder / "control", 0o600)
    _spawn("instance", folder, lock_fd)


def start_hub(folder: Path, spec: HubSpec, lock_fd: int) -> None:
    """Likewise for the network of the workload in `folder`."""
    replace(folder / hub.NAME, json.dumps(spec).encode())
    with contextlib.suppress(FileExistsError):
        os.mkfifo(folder / hub.LIFE, 0o600)
    _spawn("hub", folder, lock_fd)


def status(folder: Path) -> dict[str, Any] | None:
    """What the shim last said; `None` when it never did."""
    try:
        text = (folder / "status.json").read_bytes()
    except FileNotFoundError:
        return None
    found: dict[str, Any] = json.loads(text)
    return found


def spec(folder: Path) -> Spec | None:
    """What the shim was told; `None` when none was started."""
    try:
        found: Spec = json.loads((folder / "spec.json").read_bytes())
    except FileNotFoundError:
        return None
    return found


def gpus(folder: Path) -> list[int]:
    """The GPUs the instance was given."""
    told = spec(folder)
    return [int(number) for number in told["environment"]["CUDA_VISIBLE_DEVICES"].split(",") if number] if told else []


def request(folder: Path, name: str) -> None:
    """Ask for `stop` or `kill`: a file that stays, and a nudge for a shim that sleeps."""
    (folder / name).touch()
    with contextlib.suppress(OSError):
        fd = os.open(folder / "control", os.O_WRONLY | os.O_NONBLOCK)
        os.write(fd, b"!")
        os.close(fd)


def sweep(folder: Path) -> None:
    """End what a killed shim left behind. Only unsandboxed processes can be: a sandbox dies with its shim."""
    told = spec(folder)
    if told is None or told["sandbox"] != "plain":
        return
    mark = f"{MARK}={folder}".encode()
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark in environ.read_bytes().split(b"\0"):
                os.kill(int(environ.parent.name), signal.SIGKILL)


def reap() -> None:
    """Collect the short-lived parents of the shims that this process started."""
    for pid in list(_started):
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0] == 0:
                continue
        with contextlib.suppress(ValueError):
            _started.remove(pid)


def _spawn(part: str, folder: Path, lock_fd: int) -> None:
    reap()
    command = [interpreter(), "-I", "-S", "-c", _START.format(part), str(folder), str(package_root())]
    with Path(os.devnull).open("r+b") as nothing:
        actions = [(os.POSIX_SPAWN_DUP2, nothing.fileno(), fd) for fd in (0, 1, 2)]
        # Its number must differ from the target's, or the descriptor would stay close-on-exec.
        spare = fcntl.fcntl(lock_fd, fcntl.F_DUPFD_CLOEXEC, 10)
        actions.append((os.POSIX_SPAWN_DUP2, spare, _LOCK_FD))
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
        _started.append(
            os.posix_spawn(command[0], command, environment, file_actions=actions, setsid=True, setsigmask=[])
        )
        os.close(spare)


def replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(content)
    fresh.replace(path)
