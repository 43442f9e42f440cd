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
from clary.runtime.backend import Backend
from clary.runtime.cluster import parcel
from clary.runtime.cluster.follow import Follower
from clary.runtime.cluster.mirror import Mirror, copy_tree
from clary.runtime.cluster.nodes import Cluster
from clary.runtime.cluster.seat import Found, answer
from clary.runtime.local import OWN_INTERPRETER, read_hosts
from clary.runtime.workload import InstanceState, Observation, Workload

PATIENCE = 30.0
"""Seconds until a node that is said to live must answer."""
REFUSED = "Endpoints do not run on the Ray backend yet; `clary up --backend local` runs them."
LOST = "The node that ran the instance was lost."


class RayBackend(Backend):
    """`<home>/jobs/<workload id>/<host>/` holds copies of what the nodes say; what matters is on disk or in Ray."""

    fetches = True

    def __init__(self, home: Path, address: str) -> None:
        """`address`: of the cluster, as `ray start` prints it; this machine has to be one of its nodes."""
        self.jobs = home / "jobs"
        self._retained = home / "retained"
        self.cluster = Cluster(address)
        self.follower = Follower(self)
        self._guard = threading.Lock()
        self._keeping: set[str] = set()
        self._told: dict[str, Callable[[], None]] = {}

    def prepare(self, image: str, gpus: int) -> str | None:
        """See `Backend`. The node that gets an instance builds its environment, before it starts."""
        if image != OWN_INTERPRETER:
            images.environment_of(image)
        return None

    @contextlib.contextmanager
    def room(self, workload_id: str, instances: int, gpus: int, instead_of: str = "") -> Iterator[int]:
        """See `Backend`."""
        if instead_of:
            self.release(instead_of)
        self.cluster.reserve(workload_id, instances, gpus)
        with self._guard:
            self._keeping.add(workload_id)
        try:
            yield self.cluster.free()
        finally:
            with self._guard:
                self._keeping.discard(workload_id)
            if not any(mirror.seat for mirror in self._mirrors(workload_id)):
                self.cluster.release(workload_id)

    def retain(self, workload_id: str) -> None:
        """See `Backend`."""
        self._retained.mkdir(parents=True, exist_ok=True)
        (self._retained / workload_id).touch()

    def release(self, workload_id: str) -> None:
        """See `Backend`."""
        if (self._retained / workload_id).exists():
            if not self._folder(workload_id).exists():
                self.cluster.release(workload_id)
            (self._retained / workload_id).unlink(missing_ok=True)

    def start(self, workload: Workload) -> None:
        """See `Backend`."""
        if workload.purpose == "serve":
            self._refuse(workload)
            return
        if workload.id in self._keeping:
            self._start(workload)
            return
        if self.observe(workload.id).instances:
            return
        with self.room(workload.id, len(workload.instances), workload.limits.gpus):
            self._start(workload)

    def _refuse(self, workload: Workload) -> None:
        """What is asked of it ends at once and says why: no node would answer the gateway."""
        now = time.time()
        self._keep(workload)
        for instance in workload.instances:
            mirror = self._mirror(workload.id, instance.host, instance.log)
            mirror.sit("")
            state = InstanceState(host=instance.host, phase="exited", message=REFUSED, ended=now, cause="platform")
            mirror.say(state, whole=True)

    def _keep(self, workload: Workload) -> None:
        folder = self._folder(workload.id)
        folder.mkdir(parents=True, exist_ok=True)
        # It holds the job's credentials.
        folder.chmod(0o700)
        shims.replace(folder / "workload.json", msgspec.json.encode(workload))

    def _start(self, workload: Workload) -> None:
        self._keep(workload)
        ray = self.cluster.ray
        hosts = [instance.host for instance in workload.instances]
        seats = [self.cluster.take(workload.id, host, at, workload.limits.gpus) for at, host in enumerate(hosts)]
        told = ray.get([seat.where.remote() for seat in seats], timeout=PATIENCE)
        where = [msgspec.json.decode(one, type=tuple[str, str]) for one in told]
        addresses = {host: address for host, (_, address) in zip(hosts, where, strict=True)}
        for instance, seat, (node, _) in zip(workload.instances, seats, where, strict=True):
            mirror = self._mirror(workload.id, instance.host, instance.log)
            if mirror.seat is None:
                mirror.sit(node)
            elif mirror.seat.node != node:
                # It was sent to a node that is lost. It must never run twice.
                continue
            packed = parcel.pack(workload, instance, addresses if len(hosts) > 1 else {})
            ray.get(seat.begin.remote(packed), timeout=PATIENCE)
        self.follower.follow(workload.id)

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
            seat = self.cluster.seat(workload_id, mirror.folder.name)
            if seat is None:
                self.lose(mirror, "The actor of the instance was ended.")
                return
            try:
                got = self.cluster.ray.get(seat.tell.remote(msgspec.json.encode(asked)), timeout=PATIENCE)
            except Exception:
                self.doubt(mirror)
                return
            told = answer(got)
            self.keep(mirror, asked, told)
            if not told.more:
                return

    def keep(self, mirror: Mirror, asked: Any, told: Any) -> bool:
        """Take what a node said. Whether the state is a new one."""
        seated = mirror.seat
        if seated is not None and told.node != seated.node:
            self.lose(mirror, LOST)
            return True
        return mirror.take(asked, told)

    def doubt(self, mirror: Mirror) -> None:
        """A seat does not answer: it is lost if its node is."""
        seated = mirror.seat
        if seated is not None and not self.cluster.lives(seated.node):
            self.lose(mirror, LOST)

    def lose(self, mirror: Mirror, why: str) -> None:
        seen = mirror.seen
        if seen and seen.whole:
            return
        host = mirror.folder.name
        state = seen.state if seen else InstanceState(host=host, phase="lost")
        mirror.say(msgspec.structs.replace(state, phase="lost", message=why), whole=True)

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

    def outputs(self, workload_id: str, folder: str) -> list[Path]:
        """See `Backend`. Copies: what is new or changed comes from the nodes first."""
        mirrors = [mirror for mirror in self._mirrors(workload_id) if mirror.folder.is_dir()]
        for mirror in mirrors:
            self._copy(workload_id, mirror, folder)
        return [places.named(mirror.folder, folder) for mirror in mirrors]

    def _copy(self, workload_id: str, mirror: Mirror, folder: str) -> None:
        place = places.named(mirror.folder, folder)
        done = mirror.folder / f"copied{place.name}"
        seen = mirror.seen
        over = bool(seen and seen.whole)
        if done.exists():
            return
        if over and seen and seen.state.phase == "lost":
            place.mkdir(exist_ok=True)
            return
        seat = self.cluster.seat(workload_id, mirror.folder.name)
        if seat is None:
            return
        ray = self.cluster.ray
        with mirror.alone():
            found = msgspec.json.decode(ray.get(seat.survey.remote(folder)), type=list[Found])
            copy_tree(place, found, lambda wanted: ray.get(seat.read.remote(folder, wanted)))
        if over:
            done.touch()

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
        self.follower.leave(workload_id)
        if (folder / "workload.json").exists():
            for mirror in self._mirrors(workload_id):
                if (seat := self.cluster.seat(workload_id, mirror.folder.name)) is not None:
                    # A lost node keeps its folders; whoever comes there next removes them.
                    with contextlib.suppress(Exception):
                        self.cluster.ray.get(seat.close.remote(), timeout=PATIENCE)
                    self.cluster.end(seat)
            if not (self._retained / workload_id).exists():
                self.cluster.release(workload_id)
        shutil.rmtree(folder, ignore_errors=True)
        for call in list(self._told.values()):
            call()

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

    def wake(self, workload_id: str) -> tuple[str, str]:
        """Socket and key of who is to know of changes."""
        told = read_hosts(self._folder(workload_id))
        return (told.wake, told.key) if told else ("", "")
