"""What this machine can do for jobs, as plain data; `clary doctor` prints it with advice."""

import os
import shutil
import sys
from pathlib import Path

import msgspec

from clary.runtime import java, limits, network, sandbox

CONTAINER_SOCKETS = ("/var/run/docker.sock", "/run/podman/podman.sock", "{runtime}/podman/podman.sock")


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
    container_socket: str
    """Docker's or podman's, where this user may use one; else empty."""
    python: str
    java: tuple[int, ...]
    """Versions that are here, the preferred first; 0: it does not tell."""
    root: bool


def facts(home: Path) -> Facts:
    """Look at this machine. `home`: whose disk is meant."""
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
        container_socket=_container_socket(),
        python=sys.version.split()[0],
        java=tuple(found.version for found in java.found()),
        root=os.geteuid() == 0,
    )


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)


def _container_socket() -> str:
    runtime = os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.geteuid()}")
    places = (place.format(runtime=runtime) for place in CONTAINER_SOCKETS)
    return next((place for place in places if os.access(place, os.R_OK | os.W_OK)), "")
