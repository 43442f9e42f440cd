"""Keeps the copies of a component as its record says: as an endpoint is kept, where its instances have room."""

from dataclasses import replace

from clary.capabilities.endpoints import fleet, host_metrics
from clary.capabilities.endpoints.alarms import in_alarm
from clary.capabilities.endpoints.components import hosting, managed, placing
from clary.capabilities.endpoints.components.api import components
from clary.capabilities.endpoints.components.kind import INFERENCE_COMPONENT, TENDED_KEY, with_fleets
from clary.capabilities.endpoints.components.placing import Need
from clary.capabilities.endpoints.decide import Decision, decide
from clary.capabilities.endpoints.fleet import Instance, Variant
from clary.capabilities.endpoints.kind import ENDPOINT
from clary.capabilities.endpoints.place import kept_home
from clary.capabilities.endpoints.reconcile import Look
from clary.capabilities.endpoints.tending import Sight
from clary.capabilities.model_containers.keep import drop
from clary.resources.kinds import Kind
from clary.resources.reconcile import Become, Outcome, Remove, Wait
from clary.resources.records import Record
from clary.resources.store import Store
from clary.resources.wake import Wake
from clary.settings import Settings
from clary.wire.context import Parts

SHOWN = {"RollingBack": "Updating", "UpdateRollbackFailed": "Failed"}
"""Statuses that endpoints have and components have not."""
NO_INSTANCE = "Waiting for instances of the variant to have room for another copy."


class InferenceComponentReconciler:
    kind: Kind = INFERENCE_COMPONENT

    def reconcile(self, record: Record, parts: Parts) -> Outcome:
        store, settings = parts.need(Store), parts.need(Settings)
        before, tended = fleet.load(record.state), _tended(record)
        look = ComponentLook(record, parts)
        seen = look.all(before)
        startup, tripped = settings.endpoint_startup_seconds, in_alarm(record, before, store)
        decision = decide(record.id, tended, before, seen, store.now(), startup, tripped)
        if decision.status != tended or decision.fleets != before:
            look.forget(before, decision.fleets)
            shown = SHOWN.get(decision.status, decision.status)
            state = with_fleets(decision.fleets, decision.status)
            return Become(shown, message=decision.fleets.failure, state=state)
        if record.status == "Deleting" and not before.retired:
            return Remove(lambda: drop(kept_home(record, settings)))
        if full := look.act(decision):
            return look.await_room(before, full, decision)
        host_metrics.take_in_copies(record, before, parts)
        return Wait(decision.wait)


def _tended(record: Record) -> str:
    return "Deleting" if record.status == "Deleting" else record.state.get(TENDED_KEY, record.status)


class ComponentLook(Look):
    """A copy can be started where an instance of the endpoint has room for it beside those that came before it."""

    def __init__(self, record: Record, parts: Parts) -> None:
        super().__init__(record, parts)
        self._early: set[str] = set()
        """Copies that an instance may yet come for."""

    def act(self, decision: Decision) -> dict[str, str]:
        early = {name: NO_INSTANCE for name in decision.start if name in self._early}
        fits = tuple(name for name in decision.start if name not in early)
        return super().act(replace(decision, start=fits)) | early

    def _startable(self, instance: Instance, absent: list[int], variant: Variant) -> Sight:
        sight = super()._startable(instance, absent, variant)
        if sight.broken:
            return sight
        endpoint, host = self._host()
        if endpoint is None or host is None:
            return Sight(presence="absent", broken=placing.NO_ROOM)
        wanted = placing.need(variant.production["ComputeResourceRequirements"])
        taken, each = self._before(instance), hosting.one(self._parts, self._record.region, host.production)
        if placing.has_room(wanted, taken, each, _there(host)):
            return sight
        most = hosting.may_have(host, self._parts)
        if not placing.has_room(wanted, taken, each, len(taken) + 1 if most is None else most):
            return Sight(presence="absent", broken=placing.NO_ROOM)
        self._early.add(instance.workload)
        self._parts.need(Wake).poke(endpoint.id)
        return sight

    def _host(self) -> tuple[Record | None, Variant | None]:
        """The endpoint, and that of its variants whose instances run the component."""
        spec, store = self._record.spec, self._parts.need(Store)
        endpoint = store.get(ENDPOINT.noun, self._record.account, self._record.region, spec["EndpointName"])
        serving = fleet.load(endpoint.state).serving if endpoint else None
        variants = serving.variants if serving else ()
        return endpoint, next((each for each in variants if each.name == spec["VariantName"]), None)

    def _before(self, instance: Instance) -> list[Need]:
        """Copies that have run, and those that were planned before this one: two of them never ask for one place."""
        record, found = self._record, list[Need]()
        own = (record.created, record.id)
        name = record.spec["EndpointName"]
        for other in components(self._parts.need(Store), record.account, record.region, name):
            if other.spec["VariantName"] != record.spec["VariantName"]:
                continue
            earlier = (other.created, other.id) < own
            for variant, copy in hosting.copies(other):
                if copy.workload == instance.workload:
                    earlier = False
                elif copy.proven or earlier or (other.id == record.id and _is_before(copy, instance)):
                    found.append(placing.need(variant.production["ComputeResourceRequirements"]))
        return found


def _there(host: Variant) -> int:
    """Instances that copies may be on now: those that are asked for come at once, as they run nothing themselves."""
    return host.count if managed.bounds(host.production, 0.0) else len(host.ready)


def _is_before(copy: Instance, instance: Instance) -> bool:
    return (copy.since, copy.workload) < (instance.since, instance.workload)
