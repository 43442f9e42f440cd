"""`RayBackend`: instances as detached actors on the nodes of a Ray cluster. See the package's docstring."""

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from clary.runtime import images, places, shims
from clary.runtime.backend import Away, Backend, NoRoom, OutputsLost
from clary.runtime.cluster import parcel
from clary.runtime.cluster.follow import Follower
from clary.runtime.cluster.mirror import Mirror, copy_tree, missing
from clary.runtime.cluster.nodes import Cluster, Hosts
from clary.runtime.cluster.rooms import Rooms
from clary.runtime.cluster.talk import Asked, Found, Told, alone, answer, read_survey
from clary.runtime.local import OWN_INTERPRETER, read_hosts
from clary.runtime.shim import status
from clary.runtime.workload import InstanceState, Observation, Preloaded, Workload

PATIENCE = 30.0
"""Seconds until a node that is said to live must answer."""
BEGIN_PATIENCE = 90.0
"""Likewise for one that is to take an instance: Ray starts a process for it first."""
NEAR_BYTES = 16 * 1024 * 1024
NEAR_FILES = 1000
"""What is brought from a node at once; more takes its time."""
LOST = "The node that ran the instance was lost."
LOST_OUTPUTS = "The node that ran the instance was lost before what the instance left was fetched."


class RayBackend(Backend):
    """`<home>/jobs/<workload id>/<host>/` holds copies of what the nodes say; what matters is on disk or in Ray."""

    fetches = True

    def __init__(self, home: Path, address: str) -> None:
        """`address`: of the cluster, as `ray start` prints it; this machine has to be one of its nodes."""
        self.jobs = home / "jobs"
        self.cluster = Cluster(address)
        self._rooms = Rooms(home, self.cluster)
        self.follower = Follower(self)
        self._guard = threading.Lock()
        self._keeping: set[str] = set()
        self._doubted: dict[Path, float] = {}
        self._told: dict[str, Callable[[], None]] = {}

    def prepare(self, image: str, gpus: int) -> str | None:
        """See `Backend`. The node that gets an instance builds its environment, before it starts."""
        if image != OWN_INTERPRETER:
            images.environment_of(image)
        return None

    def warm(self, image: str, preloaded: Preloaded) -> None:
        """See `Backend`. Nodes start model servers as always."""

    @contextlib.contextmanager
    def room(
        self, workload_id: str, instances: int, gpus: int, hosts: Hosts = (), instead_of: str = ""
    ) -> Iterator[int]:
        """See `Backend`."""
        self._rooms.take(workload_id, instances, gpus, hosts, instead_of)
        with self._guard:
            self._keeping.add(workload_id)
        try:
            yield self.cluster.free()
        finally:
            with self._guard:
                self._keeping.discard(workload_id)
            if not any(mirror.seat for mirror in self._mirrors(workload_id)):
                self._rooms.give_back(workload_id)

    def retain(self, workload_id: str) -> None:
        """See `Backend`."""
        self._rooms.retain(workload_id)

    def release(self, workload_id: str) -> None:
        """See `Backend`."""
        self._rooms.release(workload_id, living=self._folder(workload_id).exists())

    def start(self, workload: Workload) -> None:
        """See `Backend`."""
        if workload.id in self._keeping:
            self._start(workload)
            return
        if self.observe(workload.id).instances:
            return
        hosts = [instance.hosts for instance in workload.instances]
        with self.room(workload.id, len(workload.instances), workload.limits.gpus, hosts):
            self._start(workload)

    def _keep(self, workload: Workload) -> None:
        folder = self._folder(workload.id)
        folder.mkdir(parents=True, exist_ok=True)
        # It holds the job's credentials.
        folder.chmod(0o700)
        shims.replace(folder / "workload.json", msgspec.json.encode(workload))

    def _start(self, workload: Workload) -> None:
        self._keep(workload)
        room = self._rooms.of(workload.id)
        if room is None:
            raise NoRoom("its room was given back")
        hosts = [instance.host for instance in workload.instances]
        gpus = workload.limits.gpus
        run = alone(room.run) if gpus or workload.purpose == "serve" else room.run
        seats = [
            self.cluster.take(workload.id, host, run, room.group, number, gpus) for number, host in enumerate(hosts)
        ]
        told = self._hear([seat.where.remote() for seat in seats])
        where = [msgspec.json.decode(one, type=tuple[str, str]) for one in told]
        addresses = {host: address for host, (_, address) in zip(hosts, where, strict=True)}
        for instance, seat, (node, _) in zip(workload.instances, seats, where, strict=True):
            mirror = self._mirror(workload.id, instance.host, instance.log)
            if mirror.seat is None:
                mirror.sit(node, run)
            elif mirror.seat.node != node:
                # It was sent to a node that is lost. It must never run twice.
                continue
            packed = parcel.pack(workload, instance, addresses if len(hosts) > 1 else {})
            self._hear(seat.begin.remote(packed))
        self.follower.follow(workload.id)

    def _hear(self, asked: Any) -> Any:
        """Raises `NoRoom` where a node that was to take an instance does not answer."""
        ray = self.cluster.ray
        try:
            return ray.get(asked, timeout=BEGIN_PATIENCE)
        except (ray.exceptions.GetTimeoutError, ray.exceptions.RayActorError) as error:
            raise NoRoom("the nodes that were to take it do not answer") from error

    def observe(self, workload_id: str) -> Observation:
        """See `Backend`. Asks the nodes."""
        mirrors = self._mirrors(workload_id)
        if not mirrors or any(mirror.seat is None for mirror in mirrors):
            return Observation()
        states = tuple(self._state(workload_id, mirror) for mirror in mirrors)
        self.follower.follow(workload_id)
        return Observation(instances=states)

    def _state(self, workload_id: str, mirror: Mirror) -> InstanceState:
        seen = mirror.seen
        if seen and seen.whole:
            return seen.state
        self.ask(workload_id, mirror)
        seen = mirror.seen
        return seen.state if seen else InstanceState(host=mirror.folder.name, phase="preparing")

    def ask(self, workload_id: str, mirror: Mirror) -> None:
        """Bring the copy up to date, or find that the instance is lost."""
        for _ in range(1000):
            asked = mirror.asked(wait=0)
            seat = self.seat(workload_id, mirror)
            if seat is None:
                self.lose(workload_id, mirror, "The actor of the instance was ended.")
                return
            try:
                got = self.cluster.ray.get(seat.tell.remote(msgspec.json.encode(asked)), timeout=PATIENCE)
            except Exception:
                self.doubt(workload_id, mirror)
                return
            told = answer(got)
            self.keep(workload_id, mirror, asked, told)
            if not told.more:
                return

    def seat(self, workload_id: str, mirror: Mirror) -> Any:
        """The actor of the instance; `None` for one that has none any more."""
        seated = mirror.seat
        return self.cluster.seat(workload_id, mirror.folder.name, seated.run, seated.node) if seated else None

    def keep(self, workload_id: str, mirror: Mirror, asked: Asked, told: Told) -> None:
        """Take what a node said."""
        seated = mirror.seat
        self._doubted.pop(mirror.folder, None)
        if seated is not None and told.node != seated.node:
            self.lose(workload_id, mirror, LOST)
        elif mirror.take(asked, told):
            self._wake(workload_id)

    def doubt(self, workload_id: str, mirror: Mirror) -> None:
        """A seat does not answer: it is lost if its node is."""
        seated = mirror.seat
        self._doubted.setdefault(mirror.folder, time.time())
        if seated is not None and not self.cluster.lives(seated.node):
            self.lose(workload_id, mirror, LOST)

    def lose(self, workload_id: str, mirror: Mirror, why: str) -> None:
        seen = mirror.seen
        if seen and seen.whole:
            return
        host = mirror.folder.name
        state = seen.state if seen else InstanceState(host=host, phase="lost")
        # It ran until its node was last heard of, not until Ray gave the node up.
        ended = self._doubted.pop(mirror.folder, None) or time.time()
        mirror.say(msgspec.structs.replace(state, phase="lost", message=why, ended=ended), whole=True)
        self._wake(workload_id)

    def stop(self, workload_id: str) -> None:
        """See `Backend`."""
        self._request(workload_id, "stop")

    def kill(self, workload_id: str) -> None:
        """See `Backend`."""
        self._request(workload_id, "kill")

    def _request(self, workload_id: str, name: str) -> None:
        for mirror in self._mirrors(workload_id):
            if mirror.folder.is_dir():
                shims.request(mirror.folder, name)
                if not (mirror.seen and mirror.seen.whole):
                    self.ask(workload_id, mirror)

    def near(self, workload_id: str, folder: str) -> bool:
        """See `Backend`. Brings it, unless it is much."""
        mirrors = [mirror for mirror in self._mirrors(workload_id) if mirror.folder.is_dir()]
        return all(self._bring(workload_id, mirror, folder, all_of_it=False) for mirror in mirrors)

    def outputs(self, workload_id: str, folder: str) -> list[Path]:
        """See `Backend`. Copies: what is new or changed comes from the nodes first."""
        mirrors = [mirror for mirror in self._mirrors(workload_id) if mirror.folder.is_dir()]
        for mirror in mirrors:
            self._bring(workload_id, mirror, folder, all_of_it=True)
        return [places.named(mirror.folder, folder) for mirror in mirrors]

    def brought(self, workload_id: str, folder: str) -> list[bool]:
        """See `Backend`."""
        mirrors = [mirror for mirror in self._mirrors(workload_id) if mirror.folder.is_dir()]
        return [_mark_of_use(mirror, places.named(mirror.folder, folder)).exists() for mirror in mirrors]

    def _bring(self, workload_id: str, mirror: Mirror, folder: str, *, all_of_it: bool) -> bool:
        """Whether the folder's copy is now what the node has. Of a lost instance it stays what it was."""
        place = places.named(mirror.folder, folder)
        done = mirror.folder / f"copied{place.name}"
        seen = mirror.seen
        over = bool(seen and seen.whole)
        place.mkdir(exist_ok=True)
        if done.exists() or (over and seen and seen.state.phase == "lost"):
            return True
        with mirror.alone("copying"):
            found = self._survey(workload_id, mirror, folder)
            if found is None:
                if over:
                    raise OutputsLost(f"{mirror.folder.name}: {LOST_OUTPUTS}")
                return True
            files, size = missing(place, found)
            if not all_of_it and (files > NEAR_FILES or size > NEAR_BYTES):
                return False
            seat, ray = self.seat(workload_id, mirror), self.cluster.ray
            copy_tree(place, found, lambda wanted: ray.get(seat.read.remote(folder, wanted), timeout=PATIENCE))
            if seen and seen.state.started is not None:
                # The look came before the copy: until user code starts the node may still be filling the folder.
                _mark_of_use(mirror, place).touch()
            if over:
                done.touch()
        return True

    def _survey(self, workload_id: str, mirror: Mirror, folder: str) -> list[Found] | None:
        """`None` where it is not known, or not any more. Raises `Away` while it may be known again."""
        seated, seat = mirror.seat, self.seat(workload_id, mirror)
        if seated is None or seat is None:
            return None
        try:
            told = self.cluster.ray.get(seat.survey.remote(folder), timeout=PATIENCE)
        except Exception as error:
            self.doubt(workload_id, mirror)
            seen = mirror.seen
            if seen and seen.whole and seen.state.phase != "lost" and self.cluster.lives(seated.node):
                raise Away(f"the node of {mirror.folder.name} does not answer") from error
            return None
        survey = read_survey(told)
        return survey.found if survey.node == seated.node else None

    def socket(self, workload_id: str, host: str) -> Path:
        """See `Backend`. A file with its address (`remote_socket.py`)."""
        return self._mirror(workload_id, host, "").socket

    def workloads(self) -> list[str]:
        """See `Backend`."""
        return sorted(file.parent.name for file in self.jobs.glob("*/workload.json"))

    def destroy(self, workload_id: str) -> None:
        """See `Backend`."""
        folder = self._folder(workload_id)
        there = folder.exists()
        if not there and (self._rooms.of(workload_id) is None or self._rooms.is_retained(workload_id)):
            return
        self.follower.leave(workload_id)
        self._close(workload_id)
        if not self._rooms.is_retained(workload_id):
            self._rooms.give_back(workload_id)
        shutil.rmtree(folder, ignore_errors=True)
        for call in list(self._told.values()):
            call()

    def _close(self, workload_id: str) -> None:
        """All seats at once. A lost node keeps its folders; whoever comes there next removes them."""
        closing = []
        for mirror in self._mirrors(workload_id):
            lost = mirror.seen and mirror.seen.state.phase == "lost"
            self._doubted.pop(mirror.folder, None)
            if (seat := self.seat(workload_id, mirror)) is not None:
                closing.append((seat, None if lost else seat.close.remote()))
        for seat, closed in closing:
            if closed is not None:
                with contextlib.suppress(Exception):
                    self.cluster.ray.get(closed, timeout=PATIENCE)
            self.cluster.end(seat)
        self.cluster.forget(workload_id)

    def when_destroyed(self, who: str, call: Callable[[], None]) -> None:
        """See `Backend`."""
        self._told[who] = call

    def following(self, workload_id: str) -> list[Mirror]:
        """Instances from which more is to come."""
        return [one for one in self._mirrors(workload_id) if one.seat and not (one.seen and one.seen.whole)]

    def _folder(self, workload_id: str) -> Path:
        return self.jobs / workload_id

    def _mirror(self, workload_id: str, host: str, log: str) -> Mirror:
        return Mirror(self._folder(workload_id) / host, Path(log))

    def _mirrors(self, workload_id: str) -> list[Mirror]:
        told = read_hosts(self._folder(workload_id))
        return [self._mirror(workload_id, one.host, one.log) for one in told.instances] if told else []

    def _wake(self, workload_id: str) -> None:
        """Tell who is to know of changes. Whoever brings a new state does: to all others it is no news any more."""
        if told := read_hosts(self._folder(workload_id)):
            status.poke(told.wake, told.key)


def _mark_of_use(mirror: Mirror, place: Path) -> Path:
    return mirror.folder / f"brought{place.name}"
