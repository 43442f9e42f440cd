"""Holding an instance to its limits with what this machine offers.

Memory and process count: control groups (version 2 where a delegated one takes them, version 1 as root), else the
shim's watchdog and RLIMIT_NPROC. CPU: a quota, else affinity; thread pools are told as well, because libraries count
the machine's cores.
"""

import functools
import math
import os
import random
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec

from clary.runtime.shim.spec import Host
from clary.runtime.workload import Limits, Workload

OWN_PROCESSES = 2
"""The sandbox's outer process and its init count in its control group."""
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS")
PERIOD = 100_000


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """How limits are held: control groups to make, and what is left for the shim and the process itself."""

    cgroups: dict[str, dict[str, str]]
    memory_bytes: int | None
    processes: int | None
    cpus: list[int]
    environment: dict[str, str]


class Groups(msgspec.Struct, frozen=True, kw_only=True):
    """Folders in which this process may make control groups, by controller."""

    version: int
    memory: Path | None = None
    pids: Path | None = None
    cpu: Path | None = None


def hold(limits: Limits, groups: Groups, name: str, shared: str = "") -> Held:
    """The plan for one instance. `name` is unique among the control groups of this machine.

    `shared`: the group that it is limited in together with others, and in which each of them has its own.
    """
    quota = limits.cpus is not None and limits.cpus < cores()
    files: dict[str, dict[str, str]] = {}
    inner = f"{shared}.of/{name}" if shared else ""

    def put(parent: Path | None, values: dict[str, str]) -> bool:
        if parent is None:
            return False
        files.setdefault(str(parent / f"{shared}.of" if shared else parent / name), {}).update(values)
        if inner:
            files.setdefault(str(parent / inner), {})
        return True

    memory = limits.memory_bytes is not None and not put(groups.memory, _memory(groups, limits.memory_bytes))
    pids = not put(groups.pids, {"pids.max": str(limits.processes + OWN_PROCESSES)})
    affinity = quota and not put(groups.cpu, _cpu(groups, limits.cpus or 1))
    if shared and groups.version == 2 and groups.memory:
        files[str(groups.memory / f"{shared}.of")]["cgroup.subtree_control"] = _passed_down(groups)
    return Held(
        cgroups=files,
        memory_bytes=limits.memory_bytes if memory else None,
        processes=limits.processes if pids else None,
        cpus=_pick(limits.cpus or 1, shared or name) if affinity else [],
        environment=threads(limits.cpus),
    )


def measured(workload: Workload, gpus: Sequence[int]) -> Host:
    """What the shim is to measure of an instance."""
    allowed = workload.limits.memory_bytes or memory()
    return {"seconds": workload.measure_seconds, "memory_bytes": allowed, "gpus": list(gpus)}


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> int:
    """Bytes of memory this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@functools.cache
def gpus() -> int:
    """NVIDIA devices, as `nvidia-smi -L` lists them."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return 0
    listed = subprocess.run([tool, "-L"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines()) if listed.returncode == 0 else 0


@functools.cache
def groups() -> Groups:
    """What this process may use, found once."""
    own = _own(Path("/proc/self/cgroup").read_text()) if Path("/proc/self/cgroup").exists() else {}
    mounts = _mounts(Path("/proc/self/mountinfo").read_text()) if own else {}
    if "" in own and "" in mounts:
        two = version2(mounts[""], own[""])
        if two.memory is not None:
            return two
    return version1(mounts, own)


def version1(mounts: dict[str, Path], own: dict[str, str]) -> Groups:
    """Version 1: below this process's own group of each controller."""

    def parent(controller: str) -> Path | None:
        if controller not in mounts or controller not in own:
            return None
        folder = mounts[controller] / own[controller].lstrip("/")
        return folder if os.access(folder, os.W_OK) else None

    return Groups(version=1, memory=parent("memory"), pids=parent("pids"), cpu=parent("cpu"))


def version2(mount: Path, own: str) -> Groups:
    """Version 2: the nearest group above this process that is ours to divide and hands its controllers down.

    Not the own one: a group with processes in it cannot limit groups below itself.
    """
    folder = mount / own.lstrip("/")
    while folder not in (mount.parent, folder.parent):
        passed = _words(folder / "cgroup.subtree_control")
        if "memory" in passed and os.access(folder, os.W_OK) and os.access(folder / "cgroup.procs", os.W_OK):
            return Groups(
                version=2,
                memory=folder,
                pids=folder if "pids" in passed else None,
                cpu=folder if "cpu" in passed else None,
            )
        folder = folder.parent
    return Groups(version=2)


def _memory(groups: Groups, limit: int | None) -> dict[str, str]:
    if groups.version == 2:
        return {"memory.max": str(limit), "memory.swap.max": "0", "memory.oom.group": "1"}
    return {"memory.limit_in_bytes": str(limit), "memory.memsw.limit_in_bytes": str(limit)}


def _passed_down(groups: Groups) -> str:
    return " ".join(f"+{name}" for name in ("memory", "pids", "cpu") if getattr(groups, name))


def _cpu(groups: Groups, cpus: float) -> dict[str, str]:
    quota = str(max(1000, int(cpus * PERIOD)))
    if groups.version == 2:
        return {"cpu.max": f"{quota} {PERIOD}"}
    return {"cpu.cfs_period_us": str(PERIOD), "cpu.cfs_quota_us": quota}


def threads(cpus: float | None) -> dict[str, str]:
    """What tells libraries how many threads to use."""
    count = max(1, math.floor(min(cpus, cores()))) if cpus is not None else cores()
    # Threads that spin while they wait would take the time of those that work, here and in other jobs.
    return dict.fromkeys(THREAD_VARIABLES, str(count)) | {"OMP_WAIT_POLICY": "PASSIVE"}


def _pick(cpus: float, name: str) -> list[int]:
    """Cores for an instance without a quota: spread by its name, so that several do not all share the first."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return sorted(random.Random(name).sample(allowed, min(len(allowed), max(1, math.ceil(cpus)))))


def _own(text: str) -> dict[str, str]:
    """Controller to path, from /proc/self/cgroup; version 2's is the empty name."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        found |= dict.fromkeys(controllers.split(","), path)
    return found


def _mounts(text: str) -> dict[str, Path]:
    """Controller to mount point, from /proc/self/mountinfo."""
    found: dict[str, Path] = {}
    for line in text.splitlines():
        place, _, kind = line.partition(" - ")
        words = kind.split()
        if words[0] == "cgroup2":
            found.setdefault("", Path(place.split()[4]))
        elif words[0] == "cgroup":
            for controller in words[2].split(","):
                found.setdefault(controller, Path(place.split()[4]))
    return found


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []
