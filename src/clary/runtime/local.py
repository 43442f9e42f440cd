"""`LocalBackend`: instances as sandboxed processes of this machine. The default, and it needs no daemon."""

import contextlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from clary.runtime import disks, images, launching, limits, network, places, sandbox, shims
from clary.runtime.backend import Away, Backend, NoRoom
from clary.runtime.containers import launching as container_launching
from clary.runtime.containers import leftovers
from clary.runtime.containers import network as container_network
from clary.runtime.containers.engine import EngineError
from clary.runtime.containers.find import NoEngine
from clary.runtime.containers.images import Containers
from clary.runtime.environments import Shelf
from clary.runtime.retained import Kept, Retained
from clary.runtime.sandbox import Rung
from clary.runtime.shim import cgroups
from clary.runtime.shim.spec import Spec
from clary.runtime.workload import Instance, InstanceState, Observation, Preloaded, Workload

GUEST = "guest"
"""File in the folder of a workload that shares another's room."""
OWN_INTERPRETER = ""
"""As an image: no managed environment, just the interpreter that Clary runs on."""


class Named(msgspec.Struct):
    """What of an instance is read back."""

    host: str
    log: str = ""


class Hosts(msgspec.Struct):
    """What of a `Workload` is read back: all else is long, and reading it takes most of a look's time."""

    instances: list[Named]
    key: str = ""
    wake: str = ""


_read_hosts = msgspec.json.Decoder(Hosts).decode


class Claim(NamedTuple):
    """What a workload that is being started will use."""

    instances: int
    gpus: list[int]


class LocalBackend(Backend):
    """Everything lies under `<home>/jobs/<workload id>/<host>/`; nothing that matters is kept in memory."""

    def __init__(
        self,
        home: Path,
        *,
        environments: Path | None = None,
        rung: Rung | None = None,
        slots: int | None = None,
        containers: Containers | None = None,
    ) -> None:
        """`environments`: where runtime environments are kept, to share them between homes. `slots`: instances that
        may run at once; by default four for each core, since instance types are mostly larger than the machine.
        `containers` runs the images that no runtime stands in for; without it there are none of them."""
        self.jobs = home / "jobs"
        self.retained = Retained(home / "retained")
        disks.spread(self.jobs)
        self.shelf = Shelf(environments or home / "environments")
        self.rung = rung or sandbox.best()
        self.containers = containers
        self.slots = slots or max(2, 4 * limits.cores())
        # Between the look for room and the first sign of life of a shim, other threads look for room too.
        self._gate = threading.Lock()
        self._starting: dict[str, Claim] = {}
        self._told: dict[str, Callable[[], None]] = {}
        self._zygotes: dict[tuple[Path, Preloaded], shims.Zygote] = {}
        """By environment."""

    def prepare(self, image: str, gpus: int) -> str | None:
        """See `Backend`."""
        if containers := self._containers(image):
            return containers.prepare(image)
        name = _environment(image)
        return self.shelf.prepare(name, gpu=gpus > 0) if name else None

    def warm(self, image: str, preloaded: Preloaded) -> None:
        """See `Backend`."""
        name = _environment(image)
        if not name or self.rung != "namespaces" or not (built := self.shelf.path(name)).is_dir():
            return
        key = (built, preloaded)
        found = self._zygotes.get(key) or self._zygotes.setdefault(key, shims.Zygote(built, preloaded))
        found.keep()

    @contextlib.contextmanager
    def room(
        self,
        workload_id: str,
        instances: int,
        gpus: int,
        hosts: Sequence[Sequence[str]] = (),
        instead_of: str = "",
    ) -> Iterator[int]:
        """See `Backend`. This machine is the only host."""
        with self._gate:
            given, left = self._reserve(workload_id, instances, gpus, instead_of)
            self._starting[workload_id] = Claim(instances, given)
        try:
            yield left
        finally:
            del self._starting[workload_id]

    def start(self, workload: Workload) -> None:
        """See `Backend`."""
        if workload.within not in ("", workload.id):
            self._start_guest(workload)
            return
        kept = self._starting.get(workload.id)
        if kept is not None:
            self._start(workload, kept.gpus)
            return
        with self.room(workload.id, len(workload.instances), workload.limits.gpus):
            self._start(workload, self._starting[workload.id].gpus)

    def _start_guest(self, workload: Workload) -> None:
        """On the GPUs of the workload whose room it shares, and beside the count of slots."""
        host, folder = self._folder(workload.within), self._folder(workload.id)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / GUEST).touch()
        self._start(workload, [gpu for name in self._hosts(host) for gpu in shims.gpus(host / name)])

    def retain(self, workload_id: str) -> None:
        """See `Backend`."""
        folder = self._folder(workload_id)
        hosts = [folder / host for host in self._hosts(folder)]
        if hosts:
            self.retained.keep(workload_id, Kept(len(hosts), [gpu for host in hosts for gpu in shims.gpus(host)]))

    def release(self, workload_id: str) -> None:
        """See `Backend`."""
        self.retained.release(workload_id)

    def launch(self, workload: Workload, gpus: list[int]) -> None:
        """Start it on these GPUs, without asking for room: whoever calls has seen to that."""
        self._start(workload, gpus)

    def _start(self, workload: Workload, gpus: list[int]) -> None:
        folder = self._folder(workload.id)
        folder.mkdir(parents=True, exist_ok=True)
        # What lies below holds the job's credentials.
        folder.chmod(0o700)
        shims.replace(folder / "workload.json", msgspec.json.encode(workload))
        if containers := self._containers(workload.image):
            _open_network(containers, workload)
        elif network.mode(workload, self.rung) == "hub" and not self.observe(workload.id).instances:
            network.open_hub(folder, workload)
        for number, instance in enumerate(workload.instances):
            count = workload.limits.gpus
            self._start_one(folder / instance.host, workload, instance, gpus[number * count : (number + 1) * count])

    def observe(self, workload_id: str) -> Observation:
        """See `Backend`. Nothing as long as any instance was never launched: then `start` is to be called again."""
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

    def near(self, workload_id: str, folder: str) -> bool:
        """See `Backend`."""
        return True

    def outputs(self, workload_id: str, folder: str) -> list[Path]:
        """See `Backend`. What lies inside is the user's: links in it may point anywhere (`archive.py`)."""
        job = self._folder(workload_id)
        return [places.named(job / host, folder) for host in self._hosts(job)]

    def brought(self, workload_id: str, folder: str) -> list[bool]:
        """See `Backend`. Folders are filled before anything is launched."""
        return [True for _ in self._hosts(self._folder(workload_id))]

    def socket(self, workload_id: str, host: str) -> Path:
        """See `Backend`."""
        return places.short(self._folder(workload_id) / host / "run") / "serve.sock"

    def workloads(self) -> list[str]:
        """See `Backend`."""
        return sorted(file.parent.name for file in self.jobs.glob("*/workload.json"))

    def destroy(self, workload_id: str) -> None:
        """See `Backend`."""
        folder = self._folder(workload_id)
        if not folder.exists():
            return
        instances = [folder / host for host in self._hosts(folder)]
        for instance in instances:
            if shims.alive(instance):
                shims.request(instance, "kill")
        for instance in instances:
            _bury(instance)
        _close_network(folder, instances)
        network.close_hub(folder)
        _wait_for_end(folder / "hub")
        disks.delete(folder)
        for call in list(self._told.values()):
            call()

    def when_destroyed(self, who: str, call: Callable[[], None]) -> None:
        """See `Backend`."""
        self._told[who] = call

    def _folder(self, workload_id: str) -> Path:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", workload_id):
            raise ValueError(f"not a workload id: {workload_id!r}")
        return self.jobs / workload_id

    def _hosts(self, folder: Path) -> list[str]:
        told = read_hosts(folder)
        return [instance.host for instance in told.instances] if told else []

    def _request(self, workload_id: str, name: str) -> None:
        folder = self._folder(workload_id)
        for host in self._hosts(folder):
            if (folder / host).is_dir():
                shims.request(folder / host, name)

    def _reserve(self, workload_id: str, instances: int, each: int, instead_of: str) -> tuple[list[int], int]:
        """The GPUs that the workload gets, and how many slots are left beside it. Raises `NoRoom`."""
        kept = {name: Claim(held.instances, held.gpus) for name, held in self.retained.all().items()}
        # Copied before the look: one whose start ends meanwhile counts by its claim, and not twice or never.
        known = {**kept, **self._starting}
        others = [folder for folder in self._living() if folder.split("/")[-2] not in (workload_id, *known)]
        claims = [claim for name, claim in known.items() if name not in (workload_id, instead_of)]
        used = len(others) + sum(claim.instances for claim in claims)
        if used and used + instances > self.slots:
            raise NoRoom(f"{used} of {self.slots} instances are in use on this machine")
        left = max(0, self.slots - used - instances)
        wanted = each * instances
        if not wanted:
            return [], left
        taken = {number for folder in others for number in shims.gpus(Path(folder))}
        taken |= {number for claim in claims for number in claim.gpus}
        free = [number for number in range(limits.gpus()) if number not in taken]
        if len(free) < wanted:
            raise NoRoom(f"{wanted} GPUs are needed and {len(free)} are free on this machine")
        return free[:wanted], left

    def _living(self) -> list[str]:
        """Instances with a shim, of all workloads with room of their own. Others make and delete folders meanwhile."""
        jobs = (job for job in _folders(str(self.jobs)) if not os.access(f"{job}/{GUEST}", os.F_OK))
        return [folder for job in jobs for folder in _folders(job) if _is_held(folder)]

    def _state(self, folder: Path) -> InstanceState | None:
        # The lock first: a shim that lets go of it has said its last word before.
        living = shims.alive(folder)
        said = shims.status(folder)
        if said is None:
            return InstanceState(host=folder.name, phase="preparing") if living else None
        if said["phase"] != "exited" and not living:
            _sweep(folder)
            said = said | {"phase": "lost", "message": "The process that watched over the instance was killed."}
        known = {key: value for key, value in said.items() if key in InstanceState.__struct_fields__}
        return InstanceState(**known | {"host": folder.name})

    def _start_one(self, folder: Path, workload: Workload, instance: Instance, gpus: list[int]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        lock = _claim(folder)
        if lock is None:
            return
        try:
            # A status without a living shim: it ran. It must never run twice.
            if shims.status(folder) is not None:
                return
            if containers := self._containers(workload.image):
                shims.start(folder, _contained(containers, folder, workload, instance, gpus), lock)
            else:
                launch = launching.Launch(
                    folder=folder,
                    workload=workload,
                    instance=instance,
                    rung=self.rung,
                    environment=self._built(workload),
                    gpus=tuple(gpus),
                )
                shims.start(folder, launching.spec(launch), lock, self._zygote(launch))
        finally:
            os.close(lock)

    def _zygote(self, launch: launching.Launch) -> shims.Zygote | None:
        if launch.environment is None or not launch.workload.preloaded:
            return None
        return self._zygotes.get((launch.environment, launch.workload.preloaded))

    def _containers(self, image: str) -> Containers | None:
        """What runs the image, if it is to run as a container."""
        if self.containers is None or image == OWN_INTERPRETER:
            return None
        return self.containers if self.containers.wants(image) else None

    def _built(self, workload: Workload) -> Path | None:
        name = _environment(workload.image)
        return self.shelf.path(name, gpu=workload.limits.gpus > 0) if name else None


def read_hosts(folder: Path) -> Hosts | None:
    """Of the workload in a folder."""
    try:
        return _read_hosts((folder / "workload.json").read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        # A power cut may have left it empty.
        return None


def _environment(image: str) -> str:
    return "" if image == OWN_INTERPRETER else images.environment_of(image)


def _folders(folder: str) -> list[str]:
    # Text: making a `Path` takes longer than looking at what it names.
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_held(folder: str) -> bool:
    return not folder.endswith("/hub") and shims.alive(folder)


def _contained(containers: Containers, folder: Path, workload: Workload, instance: Instance, gpus: list[int]) -> Spec:
    launch = container_launching.Launch(
        folder=folder,
        workload=workload,
        instance=instance,
        found=containers.found(),
        image=containers.reference(workload.image),
        gpus=tuple(gpus),
    )
    return container_launching.spec(launch)


def _open_network(containers: Containers, workload: Workload) -> None:
    """Raises `Away` while there is no engine that makes one."""
    try:
        container_network.open_network(workload, containers.found())
    except (EngineError, NoEngine) as error:
        raise Away(str(error)) from error


def _sweep(folder: Path) -> None:
    """End what a killed shim left behind."""
    shims.sweep(folder)
    told = shims.spec(folder)
    if told and "container" in told:
        leftovers.sweep(told)


def _close_network(folder: Path, instances: list[Path]) -> None:
    told = next((found for found in map(shims.spec, instances) if found and "container" in found), None)
    if told:
        leftovers.close(told, folder.name)


def _claim(folder: Path) -> int | None:
    """The lock of an instance that was never started; `None` when a shim lives or lived here."""
    for _ in range(20):
        lock = shims.lock(folder)
        # Whoever looks whether a shim lives holds the lock for an instant; only a status proves that one does.
        if lock is not None or shims.status(folder) is not None:
            return lock
        time.sleep(0.002)
    return None


def _bury(folder: Path) -> None:
    """Wait for an instance's end, then remove what it had outside its folder."""
    _wait_for_end(folder)
    spec = shims.spec(folder) if folder.is_dir() else None
    if spec is not None:
        places.forget_short(folder / "run")
        # A sandbox whose shim saw its end has nobody left in it; looking through all processes costs milliseconds.
        if spec["sandbox"] == "plain" or (shims.status(folder) or {}).get("phase") != "exited":
            _sweep(folder)
        elif "container" in spec:
            # Its engine may have been away when it ended.
            leftovers.sweep(spec)
        cgroups.remove(spec["cgroups"])


def _wait_for_end(folder: Path) -> None:
    while folder.is_dir() and shims.alive(folder):
        time.sleep(0.005)
