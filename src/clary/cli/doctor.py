"""`clary doctor`: what this machine can do for jobs, and how to get the rest. Each fact is tried, not guessed."""

from clary.cli.screen import show
from clary.runtime import doctor as runtime
from clary.runtime import java
from clary.runtime.doctor import Facts
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
    machine = runtime.facts(settings.home, settings.containers)
    rows = [
        view(machine)
        for view in (_sandbox, _disk, _network, _outside, _memory_limit, _cpu_limit, _containers, _gpu, _java)
    ]
    return [*rows, _database(settings)]


def _fact(what: str, state: str, found: str, advice: str = "") -> Fact:
    return {"what": what, "state": state, "found": found, "advice": advice}


def _sandbox(machine: Facts) -> Fact:
    rung = machine.sandbox
    if rung != "plain":
        return _fact("sandbox", "ok", rung)
    advice = "install bubblewrap; where it fails, allow unprivileged user namespaces (user.max_user_namespaces)"
    return _fact("sandbox", "missing", rung, advice)


def _disk(machine: Facts) -> Fact:
    free = machine.disk_free_bytes / 2**30
    state = "ok" if free > SCARCE_GIGABYTES else "partly" if free > 1 else "missing"
    advice = "" if state == "ok" else f"free {SCARCE_GIGABYTES} GB, or put the home elsewhere: --home, CLARY_HOME"
    return _fact("disk", state, f"{free:.0f} GB free", advice)


def _network(machine: Facts) -> Fact:
    if machine.private_network:
        return _fact("job network", "ok", "instances of a job have a network of their own")
    return _fact("job network", "partly", "instances share the machine's network", "install iproute2")


def _outside(machine: Facts) -> Fact:
    if machine.outside == "clary":
        advice = "install nftables or iptables" if machine.root else "install passt"
        return _fact("outside", "partly", "jobs of several instances reach Clary only", advice)
    found = f"jobs of several instances reach the outside by {machine.outside}"
    if machine.outside == "nat":
        return _fact("outside", "ok", found, "the first such job sets net.ipv4.ip_forward = 1, and it stays")
    return _fact("outside", "ok", found)


def _memory_limit(machine: Facts) -> Fact:
    total = f"{machine.memory_bytes / 2**30:.0f} GB"
    if machine.memory_limit != "watchdog":
        return _fact("memory limit", "ok", f"{machine.memory_limit} of the kernel; {total}")
    advice = "run as a user with delegated control groups, such as under systemd-run --user"
    return _fact("memory limit", "partly", f"watched by the shim; {total}", advice)


def _cpu_limit(machine: Facts) -> Fact:
    way = "affinity to whole cores" if machine.cpu_limit == "affinity" else f"{machine.cpu_limit} of the kernel"
    return _fact("CPU limit", "ok", f"{way}; {machine.cores} cores")


def _containers(machine: Facts) -> Fact:
    found = machine.containers
    if found is None:
        return _fact("containers", "partly", "images of your own are refused", machine.no_containers)
    who = "of this user" if found.rootless else "of the machine"
    said = f"{found.name} {found.version}, {who}, at {found.url}"
    if found.limits and found.inside:
        return _fact("containers", "ok", said)
    advice = "" if found.limits else "CPUs of containers are not limited: that needs control groups of version 2"
    if not found.inside:
        advice = "containers with a network of their own cannot reach this Clary on its loopback; rootless ones can"
    return _fact("containers", "partly", said, advice)


def _gpu(machine: Facts) -> Fact:
    if machine.gpus:
        return _fact("GPU", "ok", f"{machine.gpus} of NVIDIA's")
    advice = "gpu_types_on_cpu = true runs jobs that ask for a GPU type on the CPU"
    return _fact("GPU", "partly", "none", advice)


def _java(machine: Facts) -> Fact:
    fit = [str(version) for version in machine.java if version in java.VERSIONS]
    if fit:
        return _fact("Java", "ok", f"{fit[0]}, for Spark jobs")
    versions = ", ".join(map(str, java.VERSIONS))
    return _fact("Java", "partly", "none that Spark runs on", f"for Spark jobs: version {versions}; {java.ADVICE}")


def _database(settings: Settings) -> Fact:
    kind = settings.database.partition(":")[0] or "SQLite"
    return _fact("database", "ok", kind)
