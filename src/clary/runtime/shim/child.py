"""Starting the user's process: what happens between fork and exec, and what the shim keeps of it."""

import contextlib
import os
import resource
import shutil
import signal
from pathlib import Path
from typing import NoReturn

from clary.runtime.archive import BadArchive, extract
from clary.runtime.shim import below, cgroups, files, kernel, namespaces
from clary.runtime.shim.spec import Container, Spec

REPORTS = 4
"""Where the sandbox reports, by agreement with `sandbox.py`."""


_CHANGED = (
    *(signal.SIGCHLD, signal.SIGIO, signal.SIGVTALRM, signal.SIGPIPE),
    *(signal.SIGTERM, signal.SIGINT, signal.SIGHUP),
)
"""Signals that the shim ignores or handles."""


class Child:
    """The sandbox's outermost process. `output` carries its stdout and stderr. `reports`: JSON from bubblewrap
    and from what drives a container, otherwise a byte once SIGTERM would be heard."""

    def __init__(self, pid: int, output: int, reports: int) -> None:
        self.pid = pid
        self.output = output
        self.reports = reports


def start(spec: Spec) -> Child:
    """Fork and run `spec["command"]`. Raises `OSError`; what fails in the child is said on the output."""
    output, output_end = os.pipe()
    reports, reports_end = os.pipe()
    pid = namespaces.fork(spec["view"]) if spec["view"] else os.fork()
    if pid == 0:
        try:
            _become(spec, output_end, reports_end)
        except BaseException as error:
            os.write(2, f"Clary: the sandbox could not be started: {error}\n".encode())
        finally:
            os._exit(namespaces.NOT_MADE)
    os.close(output_end)
    os.close(reports_end)
    for fd in (output, reports):
        os.set_blocking(fd, False)
    return Child(pid, output, reports)


def _become(spec: Spec, output: int, reports: int) -> None:
    os.setpgid(0, 0)
    # Both ends are above 4 here: 0, 1, 2 and the lock at 3 are taken since the start.
    reports = os.dup(reports) if reports == REPORTS else reports
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.dup2(reports, REPORTS)
    _close_others()
    hold(spec["held"])
    signal.set_wakeup_fd(-1)
    for number in _CHANGED:
        signal.signal(number, signal.SIG_DFL)
    cgroups.enter(spec["cgroups"])
    _limit(spec)
    os.umask(0o022)
    _unpack(spec["unpack"])
    if spec["view"]:
        namespaces.init(spec["view"], spec["command"], spec["environment"], REPORTS, calls=spec["toolkit"])
    if spec["sandbox"] == "bubblewrap":
        os.execve(spec["command"][0], spec["command"], spec["environment"])
    if "container" in spec:
        _drive(spec["container"])
    _run_plainly(spec)


def _unpack(archives: dict[str, str]) -> None:
    """Here, under the instance's limits, because importing what it takes costs each job more than doing it."""
    for folder, archive in archives.items():
        try:
            extract(Path(archive), Path(folder))
        except (BadArchive, OSError):
            # Whoever needs it finds nothing and says why: the toolkit tries again and fails in the user's words.
            shutil.rmtree(folder, ignore_errors=True)


def _drive(told: Container) -> NoReturn:
    # Only here: a shim has no use for what talks to engines.
    from clary.runtime.shim import container

    container.run(told, REPORTS)
    os._exit(0)


def _run_plainly(spec: Spec) -> None:
    os.write(REPORTS, b"!")
    os.close(REPORTS)
    with contextlib.suppress(OSError):
        kernel.die_with_parent(signal.SIGKILL)
    os.chdir(spec["directory"])
    try:
        os.execvpe(spec["command"][0], spec["command"], spec["environment"])
    except OSError as error:
        os.write(2, f"Clary: {spec['command'][0]}: {error.strerror}\n".encode())
        os._exit(127)


def _close_others() -> None:
    # The lock at 3 above all: whoever holds it counts as the living shim.
    os.close(3)
    os.closerange(REPORTS + 1, 256)


def hold(folders: list[list[str]]) -> None:
    """Open what bubblewrap mounts by descriptor, by agreement with `sandbox.py` from this number on. It closes them."""
    for number, (root, path) in enumerate(folders, REPORTS + 1):
        fd = below.open_folder(root, path)
        if fd == number:
            os.set_inheritable(fd, True)
        else:
            os.dup2(fd, number)
            os.close(fd)


def _limit(spec: Spec) -> None:
    if spec["processes"]:
        resource.setrlimit(resource.RLIMIT_NPROC, (spec["processes"], spec["processes"]))
    if spec["cpus"]:
        os.sched_setaffinity(0, spec["cpus"])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Under memory pressure the kernel should take a job before it takes the server.
    with contextlib.suppress(OSError):
        files.write("/proc/self/oom_score_adj", b"500")
