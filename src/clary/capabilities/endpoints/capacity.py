"""A change of weights and instance counts on its way (UpdateEndpointWeightsAndCapacities). Pure; part of `decide.py`.

all instances ready -> InService
new ones cannot start -> RollingBack to the counts and weights of before, then InService with a FailureReason
"""

from collections.abc import Callable

import msgspec

from clary.capabilities.endpoints.fleet import Fleet, Fleets, Variant
from clary.capabilities.endpoints.tending import Turn


def settle(turn: Turn, status: str, fleets: Fleets, short: str) -> tuple[str, Fleets]:
    """`short`: why the serving fleet cannot have an instance that it lacks."""
    serving = fleets.serving
    if serving is None or status not in ("Updating", "RollingBack"):
        return status, fleets
    if short and status == "Updating":
        serving = _each(turn.only_proven(serving), _restored)
        return "RollingBack", msgspec.structs.replace(fleets, serving=serving, failure=short)
    if not serving.whole:
        return status, fleets
    failure = fleets.failure if status == "RollingBack" else ""
    return "InService", msgspec.structs.replace(fleets, serving=_each(serving, _settled), failure=failure)


def _restored(variant: Variant) -> Variant:
    count, weight = variant.before or (len(variant.instances), variant.weight)
    return msgspec.structs.replace(variant, count=count, weight=weight)


def _settled(variant: Variant) -> Variant:
    return msgspec.structs.replace(variant, before=None)


def _each(fleet: Fleet, change: Callable[[Variant], Variant]) -> Fleet:
    return msgspec.structs.replace(fleet, variants=tuple(map(change, fleet.variants)))
