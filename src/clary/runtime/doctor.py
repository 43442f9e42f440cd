"""What this machine can do for jobs, as plain data; `clary doctor` prints it with advice."""

import os
import shutil
import sys
from pathlib import Path

import msgspec

from clary.runtime import java, limits, network, sandbox
from clary.runtime.containers import find
from clary.runtime.containers.find import Found, NoEngine


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Found by trying, not by reading versions."""

    sandbox: sandbox.Rung
    sandboxes: tuple[str, ...]
    """Every rung that works, best first."""
    private_network: bool
    """Several instances of a job each have their own network and name."""
    outside: network.Way
    """How such instances reach beyond their own network."""
    memory_limit: str
    """What holds memory: `cgroup 2`, `cgroup 1` or `watchdog`."""
    process_limit: str
    cpu_limit: str
    cores: int
    memory_bytes: int
    disk_free_bytes: int
    gpus: int
    containers: Found | None
    """The engine that runs images of users' own."""
    no_containers: str
    """Why there is none."""
    python: str
    java: tuple[int, ...]
    """Versions that are here, the preferred first; 0: it does not tell."""
    root: bool


def facts(home: Path, containers: str = find.AUTO) -> Facts:
    """Look at this machine. `home`: whose disk is meant; `containers`: the setting."""
    engine, missing = _engine(containers)
    groups = limits.groups()
    held = f"cgroup {groups.version}"
    return Facts(
        sandbox=sandbox.best(),
        sandboxes=tuple(rung for rung in sandbox.RUNGS if sandbox.works(rung)),
        private_network=sandbox.best() != "plain" and network.private(),
        outside=network.outside(),
        memory_limit=held if groups.memory else "watchdog",
        process_limit=held if groups.pids else "RLIMIT_NPROC",
        cpu_limit=held if groups.cpu else "affinity",
        cores=limits.cores(),
        memory_bytes=limits.memory(),
        disk_free_bytes=shutil.disk_usage(_existing(home)).free,
        gpus=limits.gpus(),
        containers=engine,
        no_containers=missing,
        python=sys.version.split()[0],
        java=tuple(found.version for found in java.found()),
        root=os.geteuid() == 0,
    )


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)


def _engine(setting: str) -> tuple[Found | None, str]:
    try:
        return find.find(setting), ""
    except NoEngine as error:
        return None, str(error)
