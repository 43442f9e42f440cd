"""From a workload's instance to the shim's spec: view, command, environment, limits. `LocalBackend` calls it."""

import functools
import sys
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from posixpath import normpath

import msgspec

from clary.runtime import indexes, java, layer, limits, network, pipes, places, sandbox, shims
from clary.runtime.environments.build import MACHINES_SYSTEM, SYSTEM
from clary.runtime.sandbox import Entry, Rung, View
from clary.runtime.shim.spec import Spec
from clary.runtime.workload import Instance, Workload

WORK_SIDE = ("__init__.py", "logfile.py", "runtime", "serving", "compiler", "algorithms")
"""What of the package jobs see, where it lies: what the nursery has imported is the same inside."""
SETTLED_SECONDS = 0.25
"""How long a job's process runs before the controller is told of it."""
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """One instance about to start."""

    folder: Path
    workload: Workload
    instance: Instance
    rung: Rung
    environment: Path | None
    """The built runtime environment; `None` runs on the bare interpreter."""
    gpus: tuple[int, ...] = ()

    @property
    def java(self) -> Path | None:
        """Where Java is, for an environment that needs one."""
        needed = self.environment is not None and self.environment.name.rpartition("-")[0] in java.NEEDED
        found = java.find() if needed else None
        return found.home if found else None

    @property
    def plain(self) -> bool:
        """No sandbox: the process sees the machine, and its own /opt/ml elsewhere."""
        return self.rung == "plain"


def spec(launch: Launch) -> Spec:
    """Lay out the instance's folder and say what the shim is to do with it."""
    workload, instance = launch.workload, launch.instance
    shared = f"clary-{workload.within}-{instance.host}" if workload.within else ""
    held = limits.hold(workload.limits, limits.groups(), f"clary-{workload.id}-{instance.host}", shared)
    own = places.lay_out(launch.folder, workload, instance)
    own += layer.lay_out(launch.folder / "packages", launch.environment)
    command = _command(launch)
    found: Spec = {
        "key": workload.key,
        "wake": workload.wake,
        "told_after": told_after(workload),
        "log": instance.log,
        "log_bytes": workload.limits.log_bytes,
        "metrics": [{"name": metric.name, "regex": metric.regex} for metric in workload.metrics],
        "host": limits.measured(workload, launch.gpus),
        "sandbox": launch.rung,
        "command": command,
        "toolkit": _is_toolkit(workload),
        "environment": _environment(launch) | held.environment | network.ports(workload, launch.rung) | _given(launch),
        "directory": "/",
        "view": None,
        "held": [],
        "unpack": {str(places.below_ml(launch.folder, target)): file for target, file in instance.unpacked.items()},
        "pipes": [pipes.spec(launch.folder, pipe, workload.folders) for pipe in instance.pipes],
        "run_seconds": workload.limits.run_seconds,
        "grace_seconds": workload.limits.grace_seconds,
        "memory_bytes": held.memory_bytes,
        "processes": held.processes,
        "cpus": held.cpus,
        "cgroups": held.cgroups,
        "hub": str(launch.folder.parent) if network.mode(workload, launch.rung) == "hub" else "",
        "number": workload.instances.index(instance),
    }
    if launch.plain:
        places.link(own, {places.ML: launch.folder / "ml", PurePosixPath(layer.SEEN): launch.folder / "venv"})
        found["directory"] = str(launch.folder / "root")
        return found
    own += [Entry("text", text, f"/etc/{name}") for name, text in _etc(launch).items()]
    if launch.rung == "bubblewrap":
        own = places.on_disk(launch.folder, own)
    entries = tuple(_outer_first([*_machine(launch), *own]))
    view = View(entries=entries, hostname=instance.host, network=network.mode(workload, launch.rung) != "none")
    if launch.rung == "bubblewrap":
        found["command"], found["held"] = sandbox.bubblewrap(view, command), sandbox.held(view)
    else:
        found["view"] = sandbox.plain_data(view)
    return found


def told_after(workload: Workload) -> float:
    """Calls wait for what serves; a job that ends at once is looked at once."""
    return 0.0 if workload.purpose == "serve" else SETTLED_SECONDS


def _machine(launch: Launch) -> Iterable[Entry]:
    yield from _always_shown()
    if launch.environment is not None:
        yield Entry("ro", str(launch.environment), str(launch.environment))
        yield from _system_programs(launch.environment)
    if launch.java and not launch.java.is_relative_to("/usr"):
        yield Entry("ro", str(launch.java), str(launch.java))
    if launch.gpus:
        yield from sandbox.graphics()
    if not launch.workload.isolated:
        yield from (Entry("ro", str(path), str(path)) for path in indexes.of_this_machine().folders())


def _system_programs(environment: Path) -> Iterable[Entry]:
    """What the image has in /usr/sbin beside the machine's."""
    if (environment / SYSTEM / "sshd").exists():
        yield Entry("ro", "/usr/sbin", MACHINES_SYSTEM)
        yield Entry("ro", str(environment / SYSTEM), "/usr/sbin")


@functools.cache
def _always_shown() -> tuple[Entry, ...]:
    parts = [str(shims.package_root() / "clary" / name) for name in WORK_SIDE]
    return *sandbox.system(Path(sys.base_prefix).resolve()), *(Entry("ro", part, part) for part in parts)


def _etc(launch: Launch) -> dict[str, str]:
    host = launch.instance.host
    etc = {
        "passwd": "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n",
        "group": "root:x:0:\nnogroup:x:65534:\n",
        "hosts": "127.0.0.1 localhost\n::1 localhost\n" + network.hosts(launch.workload, launch.rung),
        "hostname": f"{host}\n",
    }
    if not launch.workload.isolated:
        etc |= {"resolv.conf": _resolvers()}
    return etc


def _resolvers() -> str:
    # systemd's stub listens on the machine's loopback, which a sandbox with a network of its own does not share.
    for path in (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf")):
        if path.exists():
            return path.read_text()
    return ""


def _command(launch: Launch) -> list[str]:
    workload = launch.workload
    if workload.entrypoint:
        return [*workload.entrypoint, *workload.arguments]
    if not _is_toolkit(workload):
        return ["python", "-m", "clary.serving.server", *workload.arguments]
    # The toolkit needs nothing but the standard library, and less of it is found faster.
    program = str(shims.package_root() / "clary/runtime/toolkit/train.py")
    return [f"{_layer(launch)}/bin/python", "-I", "-S", program, *workload.arguments]


def _is_toolkit(workload: Workload) -> bool:
    return not workload.entrypoint and workload.purpose != "serve"


def _layer(launch: Launch) -> str:
    return str(launch.folder / "venv") if launch.plain else layer.SEEN


def _environment(launch: Launch) -> dict[str, str]:
    """What the image would have set."""
    seen = _layer(launch)
    environment = {
        "PATH": ":".join([*layer.search_path(seen, launch.environment), SYSTEM_PATH]),
        "VIRTUAL_ENV": seen,
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "HOSTNAME": launch.instance.host,
        "PYTHONUNBUFFERED": "1",
        # Only one user is mapped, so tar could not restore owners and would fail over it.
        "TAR_OPTIONS": "--no-same-owner",
        # Half of what installing takes, for a job that imports a part of it once.
        "PIP_COMPILE": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        "CUDA_VISIBLE_DEVICES": ",".join(map(str, launch.gpus)),
        "NVIDIA_VISIBLE_DEVICES": ",".join(map(str, launch.gpus)) or "void",
    }
    if launch.java:
        environment["JAVA_HOME"] = str(launch.java)
    if not launch.workload.isolated:
        environment |= indexes.of_this_machine().for_pip()
    if launch.plain:
        environment |= {
            "HOME": str(launch.folder / "root"),
            "TMPDIR": str(launch.folder / "tmp"),
            "SAGEMAKER_BASE_DIR": str(launch.folder / "ml"),
            "CLARY_RUN_DIR": str(launch.folder / "run"),
            shims.MARK: str(launch.folder),
        }
    return environment


def _given(launch: Launch) -> dict[str, str]:
    return dict(launch.workload.environment) | dict(launch.instance.environment)


def _outer_first(entries: Iterable[Entry]) -> list[Entry]:
    """Outer mounts before inner ones, whoever asked for them: the interpreter may lie in the instance's /root."""
    return sorted(entries, key=lambda entry: _depth(entry.target))


@functools.lru_cache(1024)
def _depth(target: str) -> int:
    return normpath(target).rstrip("/").count("/")
