"""Keeps an endpoint as its record says: looks at every instance, lets `decide` choose, stores it, then acts.

Actions may be repeated and come after the state that names their workloads is stored, so they are run here at once
and the look after them is timed, not immediate.
"""

from pathlib import Path

import msgspec

from clary.capabilities.endpoints import fleet, host_metrics
from clary.capabilities.endpoints.alarms import in_alarm
from clary.capabilities.endpoints.asynchronous.queue import Queue
from clary.capabilities.endpoints.components import hosting
from clary.capabilities.endpoints.decide import Decision, decide
from clary.capabilities.endpoints.fleet import Fleets, Instance, Variant
from clary.capabilities.endpoints.kind import ENDPOINT
from clary.capabilities.endpoints.place import kept_home, log_file, place
from clary.capabilities.endpoints.serverless import sizing
from clary.capabilities.endpoints.tending import Presence, Sight
from clary.capabilities.endpoints.warmth import warm
from clary.capabilities.endpoints.watch import healthy, last_lines, say
from clary.capabilities.instances import NoCapacity
from clary.capabilities.model_containers.artefacts import NoModelData
from clary.capabilities.model_containers.keep import drop
from clary.capabilities.model_containers.plan import HOST, workload
from clary.capabilities.model_containers.spec import container_workload, containers
from clary.resources.kinds import Kind
from clary.resources.reconcile import Become, Do, Outcome, Remove, Wait
from clary.resources.records import Record
from clary.resources.store import Store
from clary.runtime.backend import Away, Backend, NoRoom
from clary.runtime.environments import BuildFailed
from clary.runtime.images import UnknownImage
from clary.runtime.workload import InstanceState, Workload
from clary.settings import Settings
from clary.wire.context import Parts
from clary.wire.errors import AwsError

ORDER: tuple[Presence, ...] = ("ended", "absent", "starting", "running")
"""An instance is as that of its containers which comes first here."""


class EndpointReconciler:
    kind: Kind = ENDPOINT

    def reconcile(self, record: Record, parts: Parts) -> Outcome:
        store, settings = parts.need(Store), parts.need(Settings)
        before = fleet.load(record.state)
        if before.serving and before.serving.asynchronous:
            parts.need(Queue).notice(record.id)
        hosts, spare = hosting.sized(record, before, parts)
        if hosts != before:
            return Do(lambda: hosting.keep(record, hosts, parts))
        wanted, idle = _sized(before, record, parts)
        look = Look(record, parts)
        seen = look.all(wanted)
        startup, tripped = settings.endpoint_startup_seconds, in_alarm(record, before, store)
        decision = decide(record.id, record.status, wanted, seen, store.now(), startup, tripped)
        if decision.status != record.status or decision.fleets != before:
            look.forget(before, decision.fleets)
            return Become(decision.status, message=decision.fleets.failure, state=fleet.dump(decision.fleets))
        if record.status == "Deleting" and not before.retired:
            return Remove(lambda: drop(kept_home(record, settings)))
        if full := look.act(decision):
            return look.await_room(before, full, decision)
        host_metrics.take_in(record, before, parts)
        return Wait(min(filter(None, (decision.wait, idle, spare)), default=None))


def _sized(fleets: Fleets, record: Record, parts: Parts) -> tuple[Fleets, float | None]:
    """With as many instances of serverless variants as calls need, and seconds until fewer may do."""
    settings, now = parts.need(Settings), parts.need(Store).now()
    if record.status == "Deleting":
        return fleets, None
    slots = sizing.looks(fleets, settings.home, record.id)
    return sizing.sized(fleets, record.id, slots, now, settings.serverless_idle_seconds)


class Look:
    """One tick at one endpoint. Workloads that were planned to be judged startable are kept to be started."""

    def __init__(self, record: Record, parts: Parts) -> None:
        self._record = record
        self._parts = parts
        self._backend: Backend = parts.need(Backend)  # type: ignore[type-abstract]
        self._planned: dict[str, list[Workload]] = {}
        """By instance: those of its containers that do not run yet."""

    def all(self, fleets: Fleets) -> dict[str, Sight]:
        if self._record.status != "Deleting":
            warm(fleets, self._record, self._parts)
        retired = {each.workload: self._presence(each.workload) for each in fleets.retired}
        variants = [variant for each in fleets.present for variant in each.variants]
        return retired | {
            instance.workload: self._instance(instance, variant)
            for variant in variants
            for instance in variant.instances
        }

    def forget(self, before: Fleets, after: Fleets) -> None:
        """A start or an end that was cut short may have left a folder that looks like no workload."""
        for gone in {each.workload for each in before.retired} - {each.workload for each in after.retired}:
            self._backend.destroy(gone)
        if before.retired and not after.retired:
            # Of variants without an instance too: they may be scaled up from zero.
            kept = {
                container_workload(fleet.home(each.generation, variant.name), number)
                for each in after.present
                for variant in each.variants
                for number in range(len(containers(variant.model)) or 1)
            }
            drop(kept_home(self._record, self._parts.need(Settings)), kept)

    def act(self, decision: Decision) -> dict[str, str]:
        """Ends before starts, which may need the room. Which instances could not be started, and what they wait for."""
        for name in decision.stop:
            self._backend.stop(name)
        for name in decision.destroy:
            self._backend.destroy(name)
        full: dict[str, str] = {}
        for name in decision.start:
            try:
                for planned in self._planned[name]:
                    self._backend.start(planned)
            except NoRoom as error:
                full[name] = f"Waiting for room: {error}"
        return full

    def await_room(self, fleets: Fleets, full: dict[str, str], decision: Decision) -> Outcome:
        """Said once for each instance, in its log and as a message of the endpoint; then looked at again."""
        store = self._parts.need(Store)
        marked = fleet.await_room(fleets, full.keys(), store.now())
        if marked == fleets:
            return Wait(decision.wait)
        known = {each.workload for each in fleets.waiting}
        for name in full.keys() - known:
            say(Path(self._planned[name][0].instances[0].log), store.now(), full[name])
        return Become(decision.status, message=next(iter(full.values())), state=fleet.dump(marked))

    def _instance(self, instance: Instance, variant: Variant) -> Sight:
        if not instance.containers:
            return Sight("running", healthy=True)
        sights = [self._container(instance, number, variant) for number in range(instance.containers)]
        least = min(sights, key=lambda sight: (ORDER.index(sight.presence), sight.healthy))
        if least.presence == "absent":
            absent = [number for number, sight in enumerate(sights) if sight.presence == "absent"]
            return self._startable(instance, absent, variant)
        # Each has its own time to become healthy; the first were started a moment before the last.
        return msgspec.structs.replace(least, started=max(sight.started for sight in sights))

    def _container(self, instance: Instance, number: int, variant: Variant) -> Sight:
        workload_id = instance.workloads[number]
        sight = msgspec.structs.replace(self._presence(workload_id), container=_named(variant, number))
        if sight.presence == "running" and not instance.ready:
            return msgspec.structs.replace(sight, healthy=healthy(self._backend.socket(workload_id, HOST)))
        if sight.presence == "ended":
            lines = last_lines(log_file(self._record, variant, instance.workload, number, self._parts))
            return msgspec.structs.replace(sight, broken=" ".join(filter(None, (sight.broken, lines))))
        return sight

    def _presence(self, name: str) -> Sight:
        states = self._backend.observe(name).instances
        return _sight(states[0]) if states else Sight(presence="absent")

    def _startable(self, instance: Instance, absent: list[int], variant: Variant) -> Sight:
        """Whether it can be started now: the data of these containers found, their environments built."""
        try:
            planned = [self._plan(instance.workload, number, variant) for number in absent]
            blocked = [self._backend.prepare(each.image, each.limits.gpus) for each in planned]
        except Away as error:
            return Sight(presence="absent", blocked=f"Waiting: {error}")
        except (NoModelData, NoCapacity, UnknownImage, BuildFailed, AwsError) as error:
            return Sight(presence="absent", broken=str(error))
        self._planned[instance.workload] = planned
        return Sight(presence="absent", blocked=next(filter(None, blocked), ""))

    def _plan(self, instance: str, number: int, variant: Variant) -> Workload:
        placed = place(self._record, variant, instance, number, self._parts)
        return workload(instance, number, variant.model, placed)


def _named(variant: Variant, number: int) -> str:
    name: str = containers(variant.model)[number]["ContainerHostname"]
    return name


def _sight(state: InstanceState) -> Sight:
    match state.phase:
        case "running":
            return Sight(presence="running", started=state.started or 0.0)
        case "preparing":
            return Sight(presence="starting")
        case _:
            return Sight(presence="ended", broken=_end(state))


def _end(state: InstanceState) -> str:
    if state.cause == "memory":
        return "The container ran out of memory."
    return state.message
