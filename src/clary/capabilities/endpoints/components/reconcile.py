"""Keeps the copies of a component as its record says: as an endpoint is kept, where its instances have room."""

from clary.capabilities import instances
from clary.capabilities.endpoints import fleet
from clary.capabilities.endpoints.alarms import in_alarm
from clary.capabilities.endpoints.components import placing
from clary.capabilities.endpoints.components.api import components
from clary.capabilities.endpoints.components.kind import INFERENCE_COMPONENT, TENDED_KEY, with_fleets
from clary.capabilities.endpoints.components.placing import Need
from clary.capabilities.endpoints.decide import decide
from clary.capabilities.endpoints.fleet import Instance, Variant
from clary.capabilities.endpoints.keep import drop
from clary.capabilities.endpoints.kind import ENDPOINT
from clary.capabilities.endpoints.place import kept_home
from clary.capabilities.endpoints.reconcile import Look
from clary.capabilities.endpoints.tending import Sight
from clary.resources.kinds import Kind
from clary.resources.reconcile import Become, Outcome, Remove, Wait
from clary.resources.records import Record
from clary.resources.store import Store
from clary.settings import Settings
from clary.wire.context import Parts

SHOWN = {"RollingBack": "Updating", "UpdateRollbackFailed": "Failed"}
"""Statuses that endpoints have and components have not."""


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
        return Wait(decision.wait)


def _tended(record: Record) -> str:
    return "Deleting" if record.status == "Deleting" else record.state.get(TENDED_KEY, record.status)


class ComponentLook(Look):
    """A copy can be started where an instance of the endpoint has room for it beside those that came before it."""

    def _startable(self, instance: Instance, absent: list[int], variant: Variant) -> Sight:
        if not self._has_room(instance, variant):
            return Sight(presence="absent", broken=placing.NO_ROOM)
        return super()._startable(instance, absent, variant)

    def _has_room(self, instance: Instance, variant: Variant) -> bool:
        record = self._record
        endpoint = self._parts.need(Store).get(
            ENDPOINT.noun, record.account, record.region, record.spec["EndpointName"]
        )
        serving = fleet.load(endpoint.state).serving if endpoint else None
        hosts = next((each.ready for each in serving.variants if each.name == variant.name), ()) if serving else ()
        one = instances.place(self._parts, record.region, [variant.production["InstanceType"]]).fit.limits
        wanted = placing.need(variant.production["ComputeResourceRequirements"])
        return placing.has_room(wanted, self._before(instance), placing.capacity(one), len(hosts))

    def _before(self, instance: Instance) -> list[Need]:
        """Copies that have run, and those that were planned before this one: two of them never ask for one place."""
        record, found = self._record, list[Need]()
        own = (record.created, record.id)
        name = record.spec["EndpointName"]
        for other in components(self._parts.need(Store), record.account, record.region, name):
            if other.spec["VariantName"] != record.spec["VariantName"]:
                continue
            earlier = (other.created, other.id) < own
            for variant, copy in _copies(other):
                if copy.workload == instance.workload:
                    earlier = False
                elif copy.proven or earlier or (other.id == record.id and _is_before(copy, instance)):
                    found.append(placing.need(variant.production["ComputeResourceRequirements"]))
        return found


def _copies(record: Record) -> list[tuple[Variant, Instance]]:
    fleets = fleet.load(record.state)
    return [(variant, copy) for each in fleets.present for variant in each.variants for copy in variant.instances]


def _is_before(copy: Instance, instance: Instance) -> bool:
    return (copy.since, copy.workload) < (instance.since, instance.workload)
