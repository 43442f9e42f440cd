"""Has the instances of a variant follow the copies of its components, where they are managed. See `managed.py`.

Called for every look at an endpoint. What is changed is stored within the quota at once, and the components that waited
for it are told.
"""

from typing import Any

import msgspec

from clary.capabilities import instances
from clary.capabilities.endpoints import fleet
from clary.capabilities.endpoints.api import as_scaler
from clary.capabilities.endpoints.components import managed, placing
from clary.capabilities.endpoints.components.api import components
from clary.capabilities.endpoints.components.placing import Need
from clary.capabilities.endpoints.fleet import Fleets, Instance, Variant
from clary.capabilities.endpoints.kind import HOLDING
from clary.capabilities.instances import NoCapacity
from clary.resources.edit import edit
from clary.resources.records import Record
from clary.resources.store import Store
from clary.resources.wake import Wake
from clary.runtime.backend import Away
from clary.settings import Settings
from clary.wire.context import Parts
from clary.wire.errors import ResourceLimitExceeded

REFUSED_KEY = "ScalingRefused"
"""In an endpoint's state: when the quota had no room for another instance, in epoch seconds."""
REFUSED_SECONDS = 10.0


def sized(record: Record, fleets: Fleets, parts: Parts) -> tuple[Fleets, float | None]:
    """The fleets as they are to be, and seconds until fewer instances may do. Nothing changes during an update."""
    now = parts.need(Store).now()
    if record.status != "InService" or fleets.serving is None or fleets.next is not None:
        return fleets, None
    if now < record.state.get(REFUSED_KEY, 0.0) + REFUSED_SECONDS:
        return fleets, REFUSED_SECONDS
    waits, variants = list[float](), list[Variant]()
    for variant in fleets.serving.variants:
        if bounds := managed.bounds(variant.production, parts.need(Settings).empty_instance_seconds):
            variant, wait = managed.scaled(variant, _needed(record, variant, parts), bounds, now)
            waits += [] if wait is None else [wait]
        variants.append(variant)
    serving = msgspec.structs.replace(fleets.serving, variants=tuple(variants))
    return msgspec.structs.replace(fleets, serving=serving), min(waits, default=None)


def keep(record: Record, fleets: Fleets, parts: Parts) -> None:
    """Store what `sized` gave, unless somebody was there first."""
    store = parts.need(Store)
    with edit(parts, record) as change:
        if change.record.version != record.version:
            return
        before, state = HOLDING.held(change.record), dict(change.record.state)
        change.record.state.update(fleet.dump(fleets))
        try:
            HOLDING.grown(as_scaler(parts, record.account, record.region), change.record, before)
        except ResourceLimitExceeded:
            change.record.state.clear()
            change.record.state.update(state, **{REFUSED_KEY: change.now})
        for component in components(store, record.account, record.region, record.name):
            store.after_commit(parts.need(Wake).poke, component.id)


def may_have(variant: Variant, parts: Parts) -> int | None:
    """How many instances the variant may come to have; `None`: no bound is known."""
    bounds = managed.bounds(variant.production, parts.need(Settings).empty_instance_seconds)
    return bounds.most if bounds else variant.count


def one(parts: Parts, region: str, production: dict[str, Any]) -> Need:
    """What one instance of a ProductionVariant has."""
    return placing.capacity(instances.place(parts, region, [production["InstanceType"]]).fit.limits)


def copies(record: Record) -> list[tuple[Variant, Instance]]:
    """Of a component: each with what it is a copy of."""
    fleets = fleet.load(record.state)
    return [(variant, copy) for each in fleets.present for variant in each.variants for copy in variant.instances]


def _needed(record: Record, variant: Variant, parts: Parts) -> int:
    mine = [
        each
        for each in components(parts.need(Store), record.account, record.region, record.name)
        if each.spec["VariantName"] == variant.name
    ]
    needs = [
        placing.need(copied.production["ComputeResourceRequirements"]) for each in mine for copied, _ in copies(each)
    ]
    try:
        return placing.instances_for(needs, one(parts, record.region, variant.production)) if needs else 0
    except (NoCapacity, Away):
        # There is no such instance, or not now: the copies say so themselves.
        return variant.count
