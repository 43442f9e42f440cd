"""Starting shims and talking to them: locks, requests, status files. What `LocalBackend` knows of them is here."""

import atexit
import contextlib
import fcntl
import functools
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import clary
from clary.runtime.shim import cgroups, hub, nursery, processes
from clary.runtime.shim import status as said
from clary.runtime.shim.hub import HubSpec
from clary.runtime.shim.spec import Spec
from clary.runtime.workload import Preloaded

_START = "import sys; sys.path.insert(0, sys.argv[1]); from clary.runtime.shim.{} import main; main(sys.argv[2])"
_FD = 3
"""What a started process finds there: its lock, or the nursery its calls."""
MARK = "CLARY_INSTANCE"
"""In the environment of unsandboxed processes: the folder of the instance they belong to."""
_started: list[int] = []
ONE_THREAD = {
    # As instances have it, and read when it is imported.
    "OMP_WAIT_POLICY": "PASSIVE",
    "OPENBLAS_NUM_THREADS": "1",
    # Of pyarrow, which pandas imports.
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
"""For a process that is to be forked: libraries start no threads then."""
RESTART_SECONDS = 30.0
"""Between two starts of a zygote that ends by itself."""
KEEP_SECONDS = 30.0
"""Between two words to a zygote that it is wanted: several in the time after which it ends."""


@functools.cache
def interpreter() -> str:
    """The real interpreter behind whatever virtual environment this runs in."""
    return str(Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}").resolve())


@functools.cache
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


def alive(folder: Path | str) -> bool:
    """Whether a shim holds the folder, which may be going away: nothing is made in it."""
    try:
        fd = os.open(f"{folder}/lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def start(folder: Path, spec: Spec, lock_fd: int, zygote: "Zygote | None" = None) -> None:
    """Write the spec and start a shim that inherits the lock, so that there is no moment without a holder.

    `zygote`: where the spec's command is imported.
    """
    replace(folder / "spec.json", json.dumps(spec).encode())
    command = [*_command("instance"), str(folder)]
    if zygote is None or not zygote.bear(command, lock_fd):
        _nursery.bear(command, lock_fd)


def start_hub(folder: Path, spec: HubSpec, lock_fd: int) -> None:
    """Likewise for the network of the workload in `folder`."""
    replace(folder / hub.NAME, json.dumps(spec).encode())
    with contextlib.suppress(FileExistsError):
        os.mkfifo(folder / hub.LIFE, 0o600)
    _started.append(_spawn([*_command("hub"), str(folder)], lock_fd))


def start_detached(command: list[str], lock_fd: int, log: Path) -> None:
    """Start a process that lives on without this one and holds the lock for life; what it prints goes to `log`."""
    _started.append(_spawn(command, lock_fd, log))


def status(folder: Path) -> dict[str, Any] | None:
    """What the shim last said; `None` when it never did."""
    try:
        return said.last((folder / said.NAME).read_bytes())
    except FileNotFoundError:
        return None


def spec(folder: Path) -> Spec | None:
    """What the shim was told; `None` when none was started."""
    try:
        found: Spec = json.loads((folder / "spec.json").read_bytes())
    except (FileNotFoundError, ValueError):
        # A power cut may have left it empty.
        return None
    return found


def gpus(folder: Path) -> list[int]:
    """The GPUs the instance was given."""
    told = spec(folder)
    return [int(number) for number in told["environment"]["CUDA_VISIBLE_DEVICES"].split(",") if number] if told else []


def request(folder: Path, name: str) -> None:
    """Ask for `stop` or `kill`: a file that stays."""
    (folder / name).touch()


def sweep(folder: Path) -> None:
    """End what a killed shim left behind: unsandboxed processes, and a sandbox that was just being made.

    A sandbox that stands dies with its shim.
    """
    told = spec(folder)
    if told is None:
        return
    processes.signal_all(cgroups.processes(told["cgroups"]))
    # The shim's own child before it became the sandbox, bubblewrap, and what runs without any.
    marks = {mark.encode() for mark in (str(folder), f"{folder}/run", f"{MARK}={folder}")}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            if not marks.isdisjoint(words.split(b"\0")):
                os.kill(int(process.name), signal.SIGKILL)


def reap() -> None:
    """Collect the short-lived parents of the shims that this process started."""
    for pid in list(_started):
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0] == 0:
                continue
        with contextlib.suppress(ValueError):
            _started.remove(pid)


class _Nursery:
    """This process's `shim/nursery.py`: started when first needed, and again when it was killed."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._calls: socket.socket | None = None
        atexit.register(self._close)

    def bear(self, command: list[str], lock_fd: int) -> None:
        """Have it make a shim that looks like `command` and holds the lock."""
        call = _call(command)
        with self._guard:
            try:
                socket.send_fds(self._calls or self._start(), call, [lock_fd])
            except (BrokenPipeError, ConnectionResetError):
                socket.send_fds(self._start(), call, [lock_fd])

    def _close(self) -> None:
        if self._calls:
            self._calls.close()

    def _start(self) -> socket.socket:
        self._close()
        self._calls, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            _started.append(_spawn([*_command("nursery"), "-" * nursery.TITLE_BYTES], theirs.fileno()))
        return self._calls


class Zygote:
    """A nursery of model servers that have imported a framework (`serving/server/zygote.py`).

    A call may be made as soon as it has been started, and waits in the socket with the instance's lock: an instance
    that waits is held, and is free again the moment the zygote ends without having started it.
    """

    def __init__(self, environment: Path, preloaded: Preloaded) -> None:
        """Starts nothing yet."""
        start = (
            "import sys; sys.path.insert(0, sys.argv[1]); "
            "from clary.serving.server.zygote import main; main(sys.argv[2], int(sys.argv[3]))"
        )
        # The environment's own interpreter with the flags that instances have: user code may look at them.
        program = [str(environment / "bin/python"), "-u", "-c", start]
        self._command = [*program, str(package_root()), preloaded.framework, str(preloaded.threads)]
        self._environment = {**ONE_THREAD, "OMP_NUM_THREADS": str(preloaded.threads)}
        self._guard = threading.Lock()
        self._calls: socket.socket | None = None
        self._started = self._told = -RESTART_SECONDS
        atexit.register(self._close)

    def keep(self) -> None:
        """Have it there, soon; to be repeated while it is wanted."""
        with self._guard:
            now = time.monotonic()
            if self._calls and now - self._told > KEEP_SECONDS:
                self._told = now
                self._send([b"."])
            if self._calls is None and now - self._started > RESTART_SECONDS:
                self._started = self._told = now
                self._start()

    def bear(self, command: list[str], lock_fd: int) -> bool:
        """As the nursery does, once it has imported all; `False` while there is none."""
        with self._guard:
            return self._send(_call(command), lock_fd)

    def _send(self, words: list[bytes], *locks: int) -> bool:
        if self._calls is None:
            return False
        try:
            socket.send_fds(self._calls, words, locks)
        except BlockingIOError:
            # It is stopped, or as good as.
            return False
        except OSError:
            self._close()
            return False
        return True

    def _start(self) -> None:
        self._calls, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._calls.setblocking(False)
        try:
            with theirs:
                pid = _spawn([*self._command, "-" * nursery.TITLE_BYTES], theirs.fileno(), more=self._environment)
        except OSError:
            # The environment has been removed.
            self._close()
            return
        threading.Thread(target=_collect, args=(pid,), name="clary-zygote", daemon=True).start()

    def _close(self) -> None:
        if self._calls:
            self._calls.close()
        self._calls = None


def _collect(pid: int) -> None:
    """Wait for the end of a process, which may come when nothing is started or looked at any more."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _call(command: list[str]) -> list[bytes]:
    return [b"".join(word.encode() + b"\0" for word in command)]


_nursery = _Nursery()


def _command(part: str) -> list[str]:
    return [interpreter(), "-I", "-S", "-c", _START.format(part), str(package_root())]


def _spawn(command: list[str], fd: int, log: Path | None = None, more: Mapping[str, str] | None = None) -> int:
    reap()
    with Path(os.devnull).open("rb") as nothing, (log or Path(os.devnull)).open("ab") as out:
        streams = (nothing.fileno(), out.fileno(), out.fileno())
        actions = [(os.POSIX_SPAWN_DUP2, source, number) for number, source in enumerate(streams)]
        # Its number must differ from the target's, or the descriptor would stay close-on-exec.
        spare = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
        actions.append((os.POSIX_SPAWN_DUP2, spare, _FD))
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", **(more or {})}
        try:
            return os.posix_spawn(command[0], command, environment, file_actions=actions, setsid=True, setsigmask=[])
        finally:
            os.close(spare)


def replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(content)
    fresh.replace(path)
