"""How many instances a serverless variant is to have, from its slots. Pure but for `slots_file` and `looks`.

An instance is there for its slot: as long as a call holds it, for a while after, and always where it is provisioned.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from clary.capabilities.endpoints import fleet
from clary.capabilities.endpoints.fleet import Fleet, Fleets, Variant, plan_instance
from clary.capabilities.endpoints.serverless import config
from clary.serving.slots import Slot, look

LOOK_SECONDS = 60.0
"""Between looks at a variant that nobody calls: what its instances are forked from is kept so, and comes back with a
controller."""


def slots_file(home: Path, record_id: str, variant: str) -> Path:
    """In the folder of the endpoint, which is deleted with it. All fleets of an endpoint share a variant's slots."""
    return home / "endpoints" / record_id / f"slots-{fleet.short(variant)}"


def looks(fleets: Fleets, home: Path, record_id: str) -> dict[str, list[Slot]]:
    """The slots of each serverless variant in service."""
    found = {}
    for variant in fleets.serving.variants if fleets.serving else ():
        if serverless := config.of(variant.production):
            found[variant.name] = look(slots_file(home, record_id, variant.name), serverless["MaxConcurrency"])
    return found


def sized(
    fleets: Fleets, record_id: str, slots: Mapping[str, Sequence[Slot]], now: float, idle: float
) -> tuple[Fleets, float | None]:
    """The fleets with as many instances of serverless variants as calls need; seconds until fewer may do.

    `idle`: seconds that an instance is kept for its next call.
    """
    if fleets.serving is None or not slots:
        return fleets, None
    patience = list[float]()
    variants = []
    for variant in fleets.serving.variants:
        if variant.name in slots:
            count, wait = wanted(variant, slots[variant.name], now, idle)
            variant = _with(variant, count, record_id, fleets.serving, now)
            patience.append(LOOK_SECONDS if wait is None else min(wait, LOOK_SECONDS))
        variants.append(variant)
    serving = msgspec.structs.replace(fleets.serving, variants=tuple(variants))
    return msgspec.structs.replace(fleets, serving=serving), min(patience, default=None)


def wanted(variant: Variant, slots: Sequence[Slot], now: float, idle: float) -> tuple[int, float | None]:
    """How many instances, and seconds until the last of them may have become one too many."""
    serverless = config.of(variant.production) or {}
    kept, count, wait = config.provisioned(serverless), 0, None
    for number in range(serverless["MaxConcurrency"]):
        slot = slots[number] if number < len(slots) else Slot(False, 0.0)
        left = max(slot.used, _ready_since(variant, number)) + idle - now
        if slot.held or left > 0:
            count, wait = number + 1, (None if slot.held else left)
    return (kept, None) if kept >= count else (count, wait)


def _ready_since(variant: Variant, number: int) -> float:
    """One that came up for a call that gave up, or for the endpoint's creation, is kept for a while too."""
    instance = variant.instances[number] if number < len(variant.instances) else None
    return instance.since if instance and instance.ready else 0.0


def _with(variant: Variant, count: int, record_id: str, serving: Fleet, now: float) -> Variant:
    """New ones count as proven: their fleet has served, so they are restarted for as long as they are wanted."""
    missing = range(variant.started, variant.started + max(0, count - len(variant.instances)))
    planned = (plan_instance(record_id, serving.generation, variant, number, now) for number in missing)
    fresh = tuple(msgspec.structs.replace(each, proven=True) for each in planned)
    return msgspec.structs.replace(
        variant, count=count, instances=(*variant.instances, *fresh), started=variant.started + len(fresh)
    )
