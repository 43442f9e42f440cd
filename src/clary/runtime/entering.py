"""Going into an instance's sandbox beside the user's process, for whoever owns the processes. `clary shell` calls it.

No door is left open for it: what a user may do to his own processes is all that is needed. A sandbox whose processes
have ended is made again from its spec, without the network of its job's other instances.
"""

import os
import shutil
from pathlib import Path
from typing import NoReturn

from clary.runtime import shims
from clary.runtime.shim import child, namespaces, processes
from clary.runtime.shim.spec import Container, Spec


class CannotEnter(Exception):
    """The message says why, and what can be done instead."""


def enter(folder: Path, command: list[str]) -> int:
    """Run the command in the instance's sandbox, on this process's terminal; its exit code, if it returns at all.

    Raises `CannotEnter`.
    """
    spec = shims.spec(folder)
    if spec is None:
        raise CannotEnter(f"no instance was ever started in {folder}")
    living = shims.alive(folder)
    if "container" in spec:
        _container(spec["container"], command, living)
    if spec["sandbox"] == "plain":
        os.chdir(spec["directory"])
        _execute(command, spec)
    if living:
        _join(folder, spec, command)
    if spec["sandbox"] == "bubblewrap":
        _wrap_again(spec, command)
    return _again(spec, command)


def _join(folder: Path, spec: Spec, command: list[str]) -> NoReturn:
    init = _init(int((shims.status(folder) or {}).get("pid", 0)))
    if init is None:
        raise CannotEnter("the sandbox does not stand yet")
    nsenter, setpriv = shutil.which("nsenter"), shutil.which("setpriv")
    if nsenter is None:
        raise CannotEnter("the program nsenter (util-linux) is not installed")
    network = Path(f"/proc/{init}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
    kinds = ["--user", "--mount", "--pid", "--ipc", "--uts", *(["--net"] if network else [])]
    # As the user's own process: root of the namespace in name only.
    humble = [setpriv, "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"] if setpriv else []
    options = ["--target", str(init), "--preserve-credentials", *kinds, "--root", "--wd"]
    # By execve, not as words: they hold the job's credentials, which everyone's `ps` would show.
    os.execve(nsenter, [nsenter, *options, "--", *humble, *command], spec["environment"] | _terminal())


def _init(shim: int) -> int | None:
    """The first process of the sandbox's own pid namespace."""
    for pid in processes.tree(shim)[1:]:
        try:
            with Path(f"/proc/{pid}/status").open() as lines:
                told = next((line.split()[1:] for line in lines if line.startswith("NSpid:")), [])
        except OSError:
            continue
        if len(told) > 1 and told[-1] == "1":
            return pid
    return None


def _container(told: Container, command: list[str], living: bool) -> NoReturn:
    program = shutil.which("podman" if told["podman"] else "docker")
    if not living:
        raise CannotEnter("the container has ended")
    if program is None:
        raise CannotEnter(f"its engine's command line is not installed; the container is called {told['name']}")
    address = ["--url" if told["podman"] else "--host", f"unix://{told['engine'].removeprefix('unix://')}"]
    terminal = ["--tty"] if os.isatty(0) else []
    os.execv(program, [program, *address, "exec", "--interactive", *terminal, told["name"], *command])


def _again(spec: Spec, command: list[str]) -> int:
    assert spec["view"]
    reports, begun = os.pipe()
    pid = namespaces.fork(spec["view"])
    if pid == 0:
        os.close(reports)
        namespaces.init(spec["view"], command, spec["environment"] | _terminal(), begun, calls=False)
    os.close(begun)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(reports)
    return code


def _wrap_again(spec: Spec, command: list[str]) -> NoReturn:
    """By bubblewrap, as the shim did."""
    end = spec["command"].index("--") + 1
    os.dup2(os.open(os.devnull, os.O_WRONLY), child.REPORTS)
    os.closerange(child.REPORTS + 1, 256)
    child.hold(spec["held"])
    os.execve(spec["command"][0], [*spec["command"][:end], *command], spec["environment"] | _terminal())


def _execute(command: list[str], spec: Spec) -> NoReturn:
    os.execvpe(command[0], command, spec["environment"] | _terminal())


def _terminal() -> dict[str, str]:
    return {"TERM": os.environ["TERM"]} if "TERM" in os.environ else {}
