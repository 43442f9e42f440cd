"""A container in place of the sandbox: the shim's child that drives it through the engine's socket.

It stands where a sandbox's outer process stands: its output is the container's, it reports as bubblewrap does, SIGTERM
is handed to the user's process, SIGQUIT ends the container. It is told so when the shim dies, so no container outlives
its shim; when it is killed itself, the shim (`forget`) or whoever finds the instance next removes the container.
"""

import contextlib
import json
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from clary.runtime.archive import BadArchive, extract
from clary.runtime.containers.engine import Engine, EngineError, frames
from clary.runtime.shim import below, door, kernel, processes
from clary.runtime.shim.cgroups import memory_kills
from clary.runtime.shim.spec import Container

CHUNK = 64 * 1024
SETTLED = 0.03
LATER = 1.0
"""Longest time between looks at what the container uses."""
GONE = 30.0
"""How long an engine may be away, while it is restarted say, before the container counts as lost."""
BEGIN = 30.0
"""How long the user's process may take to appear under the container's init, on a busy machine."""
ALONE = 2.0
"""How long the user's process may take to begin where the engine has no init."""
INIT_FAILED = b"failed to exec pid1"
"""What podman's init says of a command that it cannot execute; it then exits with 1."""
NOT_EXECUTED = ("executable file not found", "exec: ", "exec format error", "open executable", "unable to find user")
"""What engines say of a command, or of a user to run it as, which the image does not have."""
FORBIDDEN = ("permission denied", "exec format error", "unable to find user")
"""Of these a shell would exit with 126, of the others with 127."""
HELPERS = ("slirp4netns", "pasta")
"""What connects the network of a rootless container to the outside; it is not always there, or not allowed."""
BY_NAME = (
    "Docker mounts folders by name and starts the container in the same moment, so a link that another user of the "
    "file system puts there could lead anywhere. File systems need podman."
)
LABEL = "clary.instance"
"""On every container: the folder of its instance."""


class _Failed(Exception):
    """The container never ran; the message says why."""


def run(told: Container, reports: int) -> None:
    """Run the container to its end, reporting to `reports`. The caller's process is given to it."""
    kernel.die_with_parent(signal.SIGQUIT)
    driver = _Driver(told, reports)
    try:
        driver.run()
    except (_Failed, EngineError, OSError) as error:
        os.write(2, f"Clary: the container could not be run: {error}\n".encode())
    finally:
        forget(told)


def end(pid: int, told: Container, *, hard: bool) -> None:
    """Have the child end its container now; `hard`: the child did not, so it is ended, and its container after it."""
    processes.signal_all([pid], signal.SIGKILL if hard else signal.SIGQUIT)
    if hard:
        forget(told)


def forget(told: Container) -> None:
    """Remove the container, running or not, and take back the files it left. May be repeated."""
    engine = Engine(told["engine"])
    with contextlib.suppress(EngineError):
        engine.remove(f"/containers/{told['name']}?force=1&v=1")
    with contextlib.suppress(EngineError):
        take_back(engine, told)


def take_back(engine: Engine, told: Container) -> None:
    """Give the files of other users, which the container left in its folders, to the user who owns the folders.

    The engine may do what this process may not: a second container with this machine's own programs does it.
    """
    if os.geteuid() == 0:
        return
    strange = [folder for folder in told["hands"] if _is_strange(folder)]
    if not strange:
        return
    owner = "0:0" if told["body"]["Labels"]["clary.rootless"] else f"{os.geteuid()}:{os.getegid()}"
    targets = [f"/clary/{number}" for number, _ in enumerate(strange)]
    script = 'chown -hR "$0" "$@" && chmod -R u+rwX "$@"'
    binds = [
        {"Type": "bind", "Source": source, "Target": target} for source, target in zip(strange, targets, strict=True)
    ]
    system = [
        {"Type": "bind", "Source": os.path.realpath(path), "Target": path, "ReadOnly": True}
        for path in ("/usr", "/bin", "/lib", "/lib64")
        if os.path.isdir(path)
    ]
    body = {
        "Image": told["body"]["Image"],
        "Entrypoint": ["/bin/sh", "-c", script, owner, *targets],
        "User": "0:0",
        "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
        "Labels": {LABEL: told["body"]["Labels"][LABEL]},
        "HostConfig": {
            "NetworkMode": "none",
            "Mounts": [*system, *binds],
            "Ulimits": told["body"]["HostConfig"]["Ulimits"],
        },
    }
    helper = engine.call("POST", "/containers/create", body)["Id"]
    try:
        engine.call("POST", f"/containers/{helper}/start")
        engine.call("POST", f"/containers/{helper}/wait", patience=600)
    finally:
        engine.remove(f"/containers/{helper}?force=1")


def _is_strange(folder: str) -> bool:
    """Whether anything below belongs to somebody else, or cannot be looked into."""
    mine = os.geteuid()
    unreadable: list[OSError] = []
    for place, folders, files in os.walk(folder, onerror=unreadable.append):
        for name in (*folders, *files):
            with contextlib.suppress(FileNotFoundError):
                if os.lstat(os.path.join(place, name)).st_uid != mine:
                    return True
    return bool(unreadable)


class _Driver:
    """One container, from create to remove."""

    def __init__(self, told: Container, reports: int) -> None:
        self.told = told
        self.engine = Engine(told["engine"])
        self.container = told["name"]
        self.reports = reports
        self.identity, self.has_init = "", True
        self.held: dict[str, int] = {}
        self.pid = 0
        self.groups: dict[str, str] = {}
        self.usage: dict[str, float] = {}
        self.kills = 0
        """How many processes the kernel ended because the memory limit was reached."""
        self.asked: list[int] = []
        self.began = 0.0
        self.rest = b""
        self.said = b""
        self.wakeup, writable = os.pipe()
        for fd in (self.wakeup, writable):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGQUIT):
            signal.signal(number, lambda number, _: self.asked.append(number))

    def run(self) -> None:
        if self.told["held"] and not self.told["podman"]:
            raise _Failed(BY_NAME)
        self.held = {target: below.open_folder(root, path) for root, path, target in self.told["held"]}
        _unpack(self.told["unpack"])
        self._create()
        try:
            line = self._start()
        except EngineError as error:
            if not any(name in str(error) for name in HELPERS):
                raise
            os.write(
                1, f"Clary: without a way out of its network, the container reaches Clary only: {error}\n".encode()
            )
            self.told["body"]["HostConfig"]["NetworkMode"] = "none"
            self._create()
            line = self._start()
        if line is not None:
            self._report_end(self._watch(line))

    def _create(self) -> None:
        image = self._image()
        body = self.told["body"] | {"Env": _environment(self.told["body"]["Env"], image)}
        # A container of this name can only be left over from a start that a crash cut short.
        self.engine.call("DELETE", f"/containers/{self.container}", accept=(404,), force="1", v="1")
        try:
            made = self.engine.call("POST", "/containers/create", body, name=self.container)
        except EngineError as error:
            if "init" not in str(error):
                raise
            # An engine without an init program: the user's process is the container's first.
            body["HostConfig"] = body["HostConfig"] | {"Init": False}
            made = self.engine.call("POST", "/containers/create", body, name=self.container)
        self.identity, self.has_init = str(made["Id"]), bool(body["HostConfig"]["Init"])

    def _prepare(self, pid: int) -> None:
        """What an engine leaves to be done before the user's process begins."""
        self._check_mounts(pid)
        if (most := self.told["processes"]) is not None:
            # A rootless podman gives its user's own limit whatever it was told.
            with contextlib.suppress(OSError):
                resource.prlimit(pid, resource.RLIMIT_NPROC, (most, most))

    def _check_mounts(self, pid: int) -> None:
        """Engines mount by name, in a namespace in which another process's descriptors cannot be mounted: compare."""
        for target, fd in self.held.items():
            shown = below.open_folder(f"/proc/{pid}/root", f"/proc/{pid}/root{target}")
            if not os.path.samestat(os.fstat(fd), os.fstat(shown)):
                raise _Failed(f"what was to be seen at {target} was replaced while it was mounted")
            os.close(shown)

    def _image(self) -> dict[str, Any]:
        found: dict[str, Any] = self.engine.call("GET", f"/images/{self.told['body']['Image']}/json")
        return found

    def _start(self) -> socket.socket | None:
        """The attached output; `None` when the image's command cannot be executed, which is the user's affair."""
        try:
            if self.told["podman"]:
                # Its namespaces are there before its process, so the doors are open in time.
                self.engine.call("POST", f"/v4.0.0/libpod/containers/{self.container}/init")
                self._prepare(self._state()["Pid"])
                self._open_doors()
            line, self.rest = self.engine.attach(self.container)
            self.engine.call("POST", f"/containers/{self.container}/start", accept=(304,))
        except EngineError as error:
            if not any(text in str(error).lower() for text in NOT_EXECUTED):
                raise
            os.write(1, f"Clary: {error}\n".encode())
            self._report({"exit-code": _shells_code(str(error))})
            return None
        if not self.told["podman"]:
            try:
                self._open_doors()
            except OSError:
                # One that has ended already needs none: how it ended is what there is to say.
                if self._state()["Running"]:
                    raise
        self.pid = self._state()["Pid"]
        self.groups = _groups(self.pid, self.identity)
        self.began = time.monotonic()
        wanted = self.told["memory_bytes"]
        if wanted and not holds_memory(self.groups, wanted):
            self._report({"watch": wanted})
        return line

    def _open_doors(self) -> None:
        if not self.told["door"] and not self.told["endpoint"]:
            return
        found = self.engine.call("GET", f"/containers/{self.container}/json")
        pid = found["State"]["Pid"]
        inside = found["Config"]["Labels"]["clary.inside"] == "yes"
        if self.told["endpoint"] and inside:
            door.open_out(self.told["endpoint"], pid)
        if self.told["door"]:
            door.open_in(self.told["door"], _address(found), pid if inside else None)

    def _watch(self, line: socket.socket) -> dict[str, Any]:
        """Hand on output and signals until the container has ended. Its last state."""
        wait, init = 0.02, False
        line.settimeout(None)
        while True:
            if not init and self._has_begun():
                init = True
                self._report({"child-pid": self.pid})
            ready, _, _ = select.select([line.fileno(), self.wakeup], [], [], wait)
            self._measure()
            wait = min(LATER, wait * 1.5) if init else 0.005
            self._obey()
            if line.fileno() in ready and not self._take(line):
                line.close()
                again, state = self._go_on()
                if again is None:
                    return state
                line = again

    def _has_begun(self) -> bool:
        """The user's process is there to be signalled: an init is deaf to signals before it has started it."""
        late = time.monotonic() > self.began + (BEGIN if self.has_init else ALONE)
        return late or bool(processes.children(self.pid)) or not os.path.exists(f"/proc/{self.pid}")

    def _take(self, line: socket.socket) -> bool:
        try:
            data = line.recv(CHUNK)
        except ConnectionResetError:
            data = b""
        found, self.rest = frames(self.rest + data)
        self._write(found)
        return bool(data)

    def _write(self, found: Iterable[bytes]) -> None:
        for part in found:
            self.said = (self.said + part[-256:])[-256:]
            view = memoryview(part)
            while view:
                view = view[os.write(1, view) :]

    def _obey(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self.wakeup, 4096)
        while self.asked:
            hard = signal.SIGQUIT in self.asked
            if not self._signal("KILL" if hard else "TERM"):
                # Asked again at the next look.
                return
            if hard:
                self.asked.clear()
            else:
                self.asked.remove(signal.SIGTERM)

    def _signal(self, name: str) -> bool:
        """Whether the engine sent it, or nothing is left to send it to.

        One that is away did not; nor did one that refuses, as it also does where the container has just ended.
        """
        try:
            self.engine.call("POST", f"/containers/{self.container}/kill", accept=(404,), signal=name)
        except EngineError as error:
            with contextlib.suppress(EngineError):
                return bool(error.status) and not self._state()["Running"]
            return False
        return True

    def _go_on(self) -> tuple[socket.socket | None, dict[str, Any]]:
        """After the output's end: another line and the container's state; no line when it has ended.

        The engine learns of the end a little later. Else its user closed the output, or the engine was restarted.
        """
        wait, gone = 0.005, time.monotonic() + GONE
        while True:
            try:
                state = self._state()
                if not state["Running"]:
                    return None, state
                gone = time.monotonic() + GONE
                # The line of a container that has just ended would end at once as well.
                if wait > SETTLED and (line := self._attach()):
                    return line, state
            except EngineError as error:
                if error.status == 404 or (_is_zombie(self.pid) and time.monotonic() > gone):
                    raise
            select.select([self.wakeup], [], [], wait)
            self._measure()
            self._obey()
            wait = min(LATER, wait * 1.5)

    def _attach(self) -> socket.socket | None:
        """Another line; `None` to one that is ending.

        What has ended podman sets up anew for who attaches to it, and forgets how it ended. So the container's init is
        halted meanwhile: without it nothing ends.
        """
        halting = self.told["podman"] and self.told["body"]["Labels"]["clary.inside"] == "yes"
        with processes.halted(self.pid) if halting else contextlib.nullcontext(not _is_zombie(self.pid)) as lives:
            if not lives:
                return None
            line, self.rest = self.engine.attach(self.container)
        line.settimeout(None)
        return line

    def _state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.engine.call("GET", f"/containers/{self.container}/json")["State"]
        return found

    def _measure(self) -> None:
        """What the container's control groups say, which the engine removes a moment after the end; else its processes.

        A rootless engine makes no groups where none were delegated to it.
        """
        seen = usage(self.groups) if self.groups else processes.used(processes.tree(self.pid))
        for name, value in seen.items():
            self.usage[name] = max(value, self.usage.get(name, 0.0))
        folder = self.groups.get("memory") or self.groups.get("")
        self.kills = max(self.kills, memory_kills({folder: {}}) if folder else 0)

    def _report_end(self, state: dict[str, Any]) -> None:
        if state.get("Status") == "created":
            # Somebody else attached to it after its end.
            return
        code = int(state["ExitCode"])
        if code == 1 and INIT_FAILED in self.said:
            code = _shells_code(self.said.decode("utf-8", "replace"))
            os.write(1, f"Clary: {self._first_word()}: cannot be executed in the image\n".encode())
        memory = {"cause": "memory"} if code and (self.kills or state.get("OOMKilled")) else {}
        self._report({"exit-code": code, "usage": self.usage, **memory})

    def _first_word(self) -> str:
        config = self.engine.call("GET", f"/containers/{self.container}/json")["Config"]
        return str([*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ()), "the image's command"][0])

    def _report(self, report: dict[str, Any]) -> None:
        os.write(self.reports, json.dumps(report).encode() + b"\n")


def _shells_code(said: str) -> int:
    return 126 if any(text in said.lower() for text in FORBIDDEN) else 127


def _unpack(archives: dict[str, str]) -> None:
    for folder, archive in archives.items():
        try:
            extract(Path(archive), Path(folder))
        except BadArchive as error:
            raise _Failed(f"the model archive cannot be unpacked: {error}") from error


def _environment(given: list[str], image: dict[str, Any]) -> list[str]:
    """Ours adds to the image's search path for modules, where it would otherwise replace it."""
    own = (image.get("Config") or {}).get("Env") or []
    path = next((entry.partition("=")[2] for entry in own if entry.startswith("PYTHONPATH=")), "")
    return [f"{entry}:{path}" if path and entry.startswith("PYTHONPATH=") else entry for entry in given]


def _address(found: dict[str, Any]) -> str:
    """The container's own address; its loopback where it has no other."""
    networks = (found.get("NetworkSettings") or {}).get("Networks") or {}
    return next((str(each["IPAddress"]) for each in networks.values() if each.get("IPAddress")), "127.0.0.1")


def _is_zombie(pid: int) -> bool:
    return processes.phase(pid) in ("Z", "")


def usage(groups: dict[str, str]) -> dict[str, float]:
    """Of a container, by the folders of its control groups (`_groups`)."""
    found: dict[str, float] = {}
    for name, group, file, read in (
        ("cpu_seconds", "cpuacct", "cpuacct.usage", lambda text: int(text) / 1e9),
        ("cpu_seconds", "", "cpu.stat", lambda text: int(text.split()[1]) / 1e6),
        ("max_rss_bytes", "memory", "memory.max_usage_in_bytes", int),
        ("max_rss_bytes", "", "memory.peak", int),
        # Linux knows the peak since 5.19; before, the most that was seen counts.
        ("max_rss_bytes", "", "memory.current", int),
    ):
        if group in groups and name not in found:
            with contextlib.suppress(OSError, ValueError, IndexError), open(f"{groups[group]}/{file}") as text:
                found[name] = read(text.read())
    return found


def holds_memory(groups: dict[str, str], wanted: int) -> bool:
    """Whether the kernel holds the container to so many bytes, in its own control group or in one above it."""
    file = "memory.limit_in_bytes" if "memory" in groups else "memory.max"
    folder = Path(groups.get("memory") or groups.get("") or "/")
    # podman's own group has the limit, and the container may be in one below it.
    return any(_number(above / file) <= wanted for above in (folder, *folder.parents))


def _number(file: Path) -> float:
    try:
        return int(file.read_bytes())
    except (OSError, ValueError):
        return float("inf")


def _groups(pid: int, container: str) -> dict[str, str]:
    """The folder of the process's control group, by controller; version 2's by the empty name.

    Only those made for the container: one that a rootless engine could not move has its engine's.
    """
    found = {}
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cgroup") as lines:
        for line in lines:
            _, names, path = line.rstrip("\n").split(":", 2)
            for name in names.split(",") if container in path else ():
                found[name] = f"/sys/fs/cgroup/{name}{path}" if name else f"/sys/fs/cgroup{path}"
    return found
