"""`clary doctor`: what this machine can do for jobs, and how to get the rest. Each fact is tried, not guessed."""

import os
import shutil
from pathlib import Path

from clary.cli.screen import show
from clary.runtime import limits, network, sandbox
from clary.settings import Settings

Fact = dict[str, str]
SCARCE_GIGABYTES = 10


def doctor(settings: Settings, *, as_json: bool) -> int:
    """Returns 1 when jobs cannot run here as AWS promises: no sandbox, or no room on the disk."""
    found = facts(settings)
    show(found, as_json=as_json, title="This machine")
    return int(any(fact["state"] == "missing" for fact in found[:2]))


def facts(settings: Settings) -> list[Fact]:
    """Rows of `what`, `state` (ok, partly, missing), `found`, `advice`; the first two decide whether jobs can run."""
    return [
        _sandbox(),
        _disk(settings.home),
        _network(),
        _outside(),
        _memory_limit(),
        _cpu_limit(),
        _gpu(),
        _database(settings),
    ]


def _fact(what: str, state: str, found: str, advice: str = "") -> Fact:
    return {"what": what, "state": state, "found": found, "advice": advice}


def _sandbox() -> Fact:
    rung = sandbox.best()
    if rung == "bubblewrap":
        return _fact("sandbox", "ok", "bubblewrap")
    advice = "install bubblewrap; where it fails, allow unprivileged user namespaces (user.max_user_namespaces)"
    return _fact("sandbox", "partly" if rung != "plain" else "missing", rung, advice)


def _disk(home: Path) -> Fact:
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(there).free / 2**30
    state = "ok" if free > SCARCE_GIGABYTES else "partly" if free > 1 else "missing"
    advice = "" if state == "ok" else f"free {SCARCE_GIGABYTES} GB, or put the home elsewhere: --home, CLARY_HOME"
    return _fact("disk", state, f"{free:.0f} GB free at {there}", advice)


def _network() -> Fact:
    if sandbox.best() != "plain" and network.private():
        return _fact("job network", "ok", "instances of a job have a network of their own")
    return _fact("job network", "partly", "instances share the machine's network", "install iproute2")


def _outside() -> Fact:
    way = network.outside()
    if way == "clary":
        advice = "install nftables or iptables" if os.geteuid() == 0 else "install passt"
        return _fact("outside", "partly", "jobs of several instances reach Clary only", advice)
    return _fact("outside", "ok", f"jobs of several instances reach the outside by {way}")


def _memory_limit() -> Fact:
    total = f"{limits.memory() / 2**30:.0f} GB"
    if limits.groups().memory:
        return _fact("memory limit", "ok", f"kernel's control groups; {total}")
    advice = "run as a user with delegated control groups, such as under systemd-run --user"
    return _fact("memory limit", "partly", f"watched by the shim; {total}", advice)


def _cpu_limit() -> Fact:
    way = "kernel's control groups" if limits.groups().cpu else "affinity to whole cores"
    return _fact("CPU limit", "ok", f"{way}; {limits.cores()} cores")


def _gpu() -> Fact:
    if count := limits.gpus():
        return _fact("GPU", "ok", f"{count} of NVIDIA's")
    advice = "gpu_types_on_cpu = true runs jobs that ask for a GPU type on the CPU"
    return _fact("GPU", "partly", "none", advice)


def _database(settings: Settings) -> Fact:
    kind = settings.database.partition(":")[0] or "SQLite"
    return _fact("database", "ok", kind)
