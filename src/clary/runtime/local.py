"""`LocalBackend`: instances as sandboxed processes of this machine. The default, and it needs no daemon."""

import os
import re
import shutil
import sys
import time
from pathlib import Path

import msgspec

from clary.runtime import places, sandbox, shims
from clary.runtime.backend import Backend, NoRoom
from clary.runtime.sandbox import Entry, Rung, View
from clary.runtime.shim.spec import Spec
from clary.runtime.workload import Instance, InstanceState, Observation, Workload

LIBRARY = "/opt/clary/lib"
WORK_SIDE = ("__init__.py", "logfile.py", "runtime", "serving", "algorithms")
"""What of the package is shown to jobs."""


class LocalBackend(Backend):
    """Everything lies under `<home>/jobs/<workload id>/<host>/`; nothing is kept in memory."""

    def __init__(
        self, home: Path, *, environments: Path | None = None, rung: Rung | None = None, slots: int | None = None
    ) -> None:
        """`environments`: where runtime environments are kept. `slots`: instances that may run at once; the
        default is four for each core, as the larger instance types are larger than most machines."""
        self.jobs = home / "jobs"
        self.environments = environments or home / "environments"
        self.rung = rung or sandbox.best()
        self.slots = slots or max(2, 4 * (os.cpu_count() or 1))

    def prepare(self, workload: Workload) -> str | None:
        """See `Backend`."""
        return None

    def start(self, workload: Workload) -> None:
        """See `Backend`."""
        folder = self._folder(workload.id)
        self._reserve(workload)
        folder.mkdir(parents=True, exist_ok=True)
        shims.replace(folder / "workload.json", msgspec.json.encode(workload))
        for instance in workload.instances:
            self._start_one(folder / instance.host, workload, instance)

    def observe(self, workload_id: str) -> Observation:
        """See `Backend`."""
        folder = self._folder(workload_id)
        states = [self._state(folder / host) for host in self._hosts(folder)]
        shims.reap()
        if None in states:
            return Observation()
        return Observation(instances=tuple(state for state in states if state))

    def stop(self, workload_id: str) -> None:
        """See `Backend`."""
        self._request(workload_id, "stop")

    def kill(self, workload_id: str) -> None:
        """See `Backend`."""
        self._request(workload_id, "kill")

    def outputs(self, workload_id: str, folder: str) -> list[Path]:
        """See `Backend`."""
        job = self._folder(workload_id)
        return [places.named(job / host, folder) for host in self._hosts(job)]

    def socket(self, workload_id: str, host: str) -> Path:
        """See `Backend`."""
        return self._folder(workload_id) / host / "run" / "serve.sock"

    def workloads(self) -> list[str]:
        """See `Backend`."""
        return [file.parent.name for file in self.jobs.glob("*/workload.json")]

    def destroy(self, workload_id: str) -> None:
        """See `Backend`."""
        folder = self._folder(workload_id)
        if not folder.exists():
            return
        self.kill(workload_id)
        for host in self._hosts(folder):
            os.close(_wait_lock(folder / host))
        _delete(folder)

    def _folder(self, workload_id: str) -> Path:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", workload_id):
            raise ValueError(f"not a workload id: {workload_id!r}")
        return self.jobs / workload_id

    def _hosts(self, folder: Path) -> list[str]:
        try:
            workload = msgspec.json.decode((folder / "workload.json").read_bytes(), type=Workload)
        except FileNotFoundError:
            return []
        return [instance.host for instance in workload.instances]

    def _request(self, workload_id: str, name: str) -> None:
        folder = self._folder(workload_id)
        for host in self._hosts(folder):
            if (folder / host).is_dir():
                shims.request(folder / host, name)

    def _reserve(self, workload: Workload) -> None:
        running = [path.parent for path in self.jobs.glob("*/*/lock") if shims.alive(path.parent)]
        others = [folder for folder in running if folder.parent.name != workload.id]
        if others and len(others) + len(workload.instances) > self.slots:
            raise NoRoom(f"{len(others)} of {self.slots} instances are in use on this machine")

    def _state(self, folder: Path) -> InstanceState | None:
        said = shims.status(folder)
        living = shims.alive(folder)
        # Asked again: it may have said its last word and gone between the two looks.
        said = said if living or (said and said["phase"] == "exited") else shims.status(folder)
        if said is None:
            return InstanceState(host=folder.name, phase="preparing") if living else None
        if said["phase"] != "exited" and not living:
            said = said | {"phase": "lost", "message": "The process that watched over the instance was killed."}
        known = {key: value for key, value in said.items() if key in InstanceState.__struct_fields__}
        return msgspec.convert(known | {"host": folder.name}, InstanceState)

    def _start_one(self, folder: Path, workload: Workload, instance: Instance) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        lock = shims.lock(folder)
        if lock is None:
            return
        try:
            # A status without a living shim: it ran. It must never run twice.
            if shims.status(folder) is None:
                shims.start(folder, self._spec(folder, workload, instance), lock)
        finally:
            os.close(lock)

    def _spec(self, folder: Path, workload: Workload, instance: Instance) -> Spec:
        entries = self._view(folder, workload, instance)
        view = View(entries=tuple(entries), hostname=instance.host, network=not workload.isolated)
        command = self._command(workload)
        limits = workload.limits
        return Spec(
            key=workload.key,
            wake=workload.wake,
            log=instance.log,
            log_bytes=limits.log_bytes,
            metrics=[{"name": metric.name, "regex": metric.regex} for metric in workload.metrics],
            sandbox=self.rung,
            command=sandbox.bubblewrap(view, "/", command),
            environment=self._environment(workload, instance),
            directory="/",
            view=None,
            run_seconds=limits.run_seconds,
            grace_seconds=limits.grace_seconds,
            memory_bytes=limits.memory_bytes,
            processes=None,
            cpus=[],
            cgroups={},
            hub="",
            host=instance.host,
        )

    def _view(self, folder: Path, workload: Workload, instance: Instance) -> list[Entry]:
        source = shims.package_root() / "clary"
        library = [Entry("ro", str(source / name), f"{LIBRARY}/clary/{name}") for name in WORK_SIDE]
        etc = {
            "passwd": "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n",
            "group": "root:x:0:\nnogroup:x:65534:\n",
            "hosts": f"127.0.0.1 localhost {instance.host}\n::1 localhost\n",
            "hostname": f"{instance.host}\n",
        }
        if not workload.isolated and Path("/etc/resolv.conf").exists():
            etc["resolv.conf"] = Path("/etc/resolv.conf").read_text()
        own = places.lay_out(folder, workload, instance, etc)
        prefix = Path(sys.base_prefix).resolve()
        machine = sandbox.system(prefix)
        return _outer_first([*machine, *own, *library])

    def _command(self, workload: Workload) -> list[str]:
        if workload.entrypoint:
            return [*workload.entrypoint, *workload.arguments]
        if workload.purpose == "serve":
            return ["python", "-m", "clary.serving.server", *workload.arguments]
        return ["python", f"{LIBRARY}/clary/runtime/toolkit/train.py", *workload.arguments]

    def _environment(self, workload: Workload, instance: Instance) -> dict[str, str]:
        base = {
            "PATH": f"{Path(shims.interpreter()).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "HOSTNAME": instance.host,
            "PYTHONUNBUFFERED": "1",
            # Only one user is mapped, so tar could not restore owners and would fail over it.
            "TAR_OPTIONS": "--no-same-owner",
        }
        return base | dict(workload.environment) | dict(instance.environment)


def _outer_first(entries: list[Entry]) -> list[Entry]:
    """Outer mounts before inner ones, whoever asked for them: the interpreter may lie in the instance's /root."""
    return sorted(entries, key=lambda entry: len(Path(entry.target).parts))


def _wait_lock(folder: Path) -> int:
    while True:
        if not folder.is_dir():
            return os.open(os.devnull, os.O_RDONLY)
        fd = shims.lock(folder)
        if fd is not None:
            return fd
        time.sleep(0.005)


def _delete(folder: Path) -> None:
    for path, names, _ in os.walk(folder):
        for name in names:
            inner = Path(path, name)
            if not inner.is_symlink():
                inner.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
