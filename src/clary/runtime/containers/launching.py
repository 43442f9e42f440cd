"""From a workload's instance to the container that the shim is to run. `LocalBackend` calls it.

The same folder as for a sandboxed process (`places.py`), shown to the container by bind mounts; but only /opt/ml and
what was asked for: /tmp, /root and /etc are the image's.
"""

import os
import resource
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import msgspec

from clary.runtime import limits, pipes, places
from clary.runtime.containers import network
from clary.runtime.containers.find import Found
from clary.runtime.launching import told_after
from clary.runtime.sandbox import Entry
from clary.runtime.shim.container import LABEL
from clary.runtime.shim.spec import Spec
from clary.runtime.workload import Instance, Workload

SCRATCH = ("/tmp", "/var/tmp", "/root", places.RUN)
OPEN_FILES = 65536
SHARED_MEMORY = 64 * 1024**2
"""Least size of /dev/shm, as Docker has it; half of the instance's memory where that is more."""
DROPPED = ("NET_RAW", "MKNOD", "AUDIT_WRITE")
"""Capabilities that an engine gives by default and no training or serving code needs."""


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """One instance about to start in a container."""

    folder: Path
    workload: Workload
    instance: Instance
    found: Found
    image: str
    """As the engine knows it."""
    gpus: tuple[int, ...] = ()


def name(folder: Path) -> str:
    """The container of an instance."""
    return f"clary-{folder.parent.name}-{folder.name}"


def spec(launch: Launch) -> Spec:
    """Lay out the instance's folder and say what the shim is to do with it."""
    workload, instance, folder = launch.workload, launch.instance, launch.folder
    own = places.on_disk(folder, places.lay_out(folder, workload, instance))
    entries = [entry for entry in own if entry.kind in ("ro", "rw") and entry.target not in SCRATCH]
    _make_places(folder, entries)
    unpacked = {str(places.below_ml(folder, target)): file for target, file in instance.unpacked.items()}
    watched = None if launch.found.limits else workload.limits.memory_bytes
    shown = ",".join(map(str, launch.gpus))
    return {
        "key": workload.key,
        "wake": workload.wake,
        "told_after": told_after(workload),
        "log": instance.log,
        "log_bytes": workload.limits.log_bytes,
        "metrics": [{"name": metric.name, "regex": metric.regex} for metric in workload.metrics],
        "host": limits.measured(workload, launch.gpus),
        "sandbox": "container",
        "command": [],
        "toolkit": False,
        "environment": {"CUDA_VISIBLE_DEVICES": shown},
        "directory": "/",
        "view": None,
        "held": [],
        "unpack": {} if workload.purpose == "serve" else unpacked,
        "pipes": [pipes.spec(folder, pipe, workload.folders) for pipe in instance.pipes],
        "run_seconds": workload.limits.run_seconds,
        "grace_seconds": workload.limits.grace_seconds,
        "memory_bytes": watched,
        "processes": None,
        "cpus": [],
        "cgroups": {},
        "hub": "",
        "number": workload.instances.index(instance),
        "container": {
            "engine": launch.found.url,
            "podman": launch.found.name == "podman",
            "name": name(folder),
            "body": body(launch, entries),
            "door": _door(launch),
            "endpoint": _endpoint(launch),
            # A server without its model would only fail in a less telling way.
            "unpack": unpacked if workload.purpose == "serve" else {},
            "memory_bytes": workload.limits.memory_bytes if launch.found.limits else None,
            "processes": None if launch.found.limits else workload.limits.processes,
            "held": [[entry.root, entry.source, entry.target] for entry in entries if entry.root],
            "hands": [entry.source for entry in entries if _is_own(entry, folder)],
        },
    }


def body(launch: Launch, entries: Iterable[Entry]) -> dict[str, Any]:
    """The engine's create call."""
    workload, instance = launch.workload, launch.instance
    labels = {
        LABEL: str(launch.folder),
        "clary.workload": workload.id,
        "clary.rootless": "yes" if launch.found.rootless else "",
        "clary.inside": "yes" if launch.found.inside else "",
    }
    return {
        "Image": launch.image,
        "Hostname": instance.host,
        "Env": [f"{key}={value}" for key, value in environment(launch).items()],
        "Labels": labels,
        "HostConfig": {
            "Init": True,
            "Mounts": [_mount(entry) for entry in entries],
            "LogConfig": {"Type": "none"},
            "Ulimits": [_ulimit("nofile", OPEN_FILES), _ulimit("nproc", workload.limits.processes)],
            "ShmSize": max(SHARED_MEMORY, (workload.limits.memory_bytes or 0) // 2),
            "SecurityOpt": ["no-new-privileges"],
            "CapDrop": list(DROPPED),
            **_limits(launch),
            **_graphics(launch),
            **network.host_config(workload, launch.found),
        },
        **command(workload),
        **network.endpoint_config(workload, instance, launch.found),
    }


def command(workload: Workload) -> dict[str, Any]:
    """What runs in it: the contract's rules for what replaces the image's entrypoint and command."""
    given = {"Entrypoint": list(workload.entrypoint)} if workload.entrypoint else {}
    words = list(workload.arguments)
    if not workload.entrypoint and not words and workload.purpose in ("train", "serve"):
        words = [workload.purpose]
    return given | ({"Cmd": words} if words else {})


def environment(launch: Launch) -> dict[str, str]:
    """The platform's variables and the request's. The rest is the image's own."""
    workload = launch.workload
    return {
        "PYTHONUNBUFFERED": "1",
        **limits.threads(workload.limits.cpus),
        "NVIDIA_VISIBLE_DEVICES": "all" if launch.gpus else "void",
        **workload.environment,
        **launch.instance.environment,
    }


def _limits(launch: Launch) -> dict[str, Any]:
    if not launch.found.limits:
        return {}
    wanted = launch.workload.limits
    held: dict[str, Any] = {"PidsLimit": wanted.processes + limits.OWN_PROCESSES}
    if wanted.memory_bytes is not None:
        held |= {"Memory": wanted.memory_bytes, "MemorySwap": wanted.memory_bytes}
    if wanted.cpus is not None and wanted.cpus < limits.cores():
        held["NanoCpus"] = int(wanted.cpus * 1e9)
    return held


def _graphics(launch: Launch) -> dict[str, Any]:
    if not launch.gpus:
        return {}
    if launch.found.name == "podman":
        devices = [f"nvidia.com/gpu={number}" for number in launch.gpus]
        return {
            "Devices": [{"PathOnHost": each, "PathInContainer": each, "CgroupPermissions": "rwm"} for each in devices]
        }
    wanted = {"Driver": "nvidia", "DeviceIDs": [str(number) for number in launch.gpus], "Capabilities": [["gpu"]]}
    return {"DeviceRequests": [wanted]}


def _mount(entry: Entry) -> dict[str, Any]:
    return {"Type": "bind", "Source": entry.source, "Target": entry.target, "ReadOnly": entry.kind == "ro"}


def _ulimit(name: str, wanted: int) -> dict[str, Any]:
    kind = resource.RLIMIT_NOFILE if name == "nofile" else resource.RLIMIT_NPROC
    most = resource.getrlimit(kind)[1]
    allowed = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    return {"Name": name, "Soft": allowed, "Hard": allowed}


def _make_places(folder: Path, entries: list[Entry]) -> None:
    """Where the engine would make mount points itself, below /opt/ml, they would belong to root.

    And the image's user may be any: what is the instance's own is open to all, behind the workload's shut folder.
    """
    own = {entry.target: Path(entry.source) for entry in entries if _is_own(entry, folder)}
    for entry in entries:
        target = PurePosixPath(entry.target)
        above = next((path for path in target.parents if str(path) in own), None)
        if above is not None:
            _make_place(own[str(above)] / target.relative_to(above), Path(entry.source))
    for place in own.values():
        _open(place)


def _is_own(entry: Entry, folder: Path) -> bool:
    """A writable folder of the instance, and not one of the user's that it was given."""
    return entry.kind == "rw" and Path(entry.source).is_relative_to(folder)


def _make_place(place: Path, source: Path) -> None:
    if source.is_dir():
        place.mkdir(parents=True, exist_ok=True)
    elif not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()


def _open(place: Path) -> None:
    for path in (place, *place.rglob("*")):
        if not path.is_symlink() and path.stat().st_uid == os.geteuid():
            path.chmod(0o777 if path.is_dir() else path.stat().st_mode & 0o777 | 0o666)


def _door(launch: Launch) -> str:
    """Serving containers listen on port 8080, which is reached by a socket as that of any instance."""
    if launch.workload.purpose != "serve":
        return ""
    return str(places.short(launch.folder / "run") / "serve.sock")


def _endpoint(launch: Launch) -> list[str]:
    """Clary on the machine's loopback, for a container that has a loopback of its own."""
    workload = launch.workload
    if workload.isolated or not workload.endpoint or network.mode(workload) == "host" or not launch.found.inside:
        return []
    parts = urlsplit(workload.endpoint)
    address = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname or ""
    return [address, str(parts.port or 80)] if address.startswith("127.") else []
