"""ManagedInstanceScaling: how many instances a variant has that follow what the copies of its components need. Pure.

more are needed than there are -> there are at once, up to the most
fewer are needed               -> the empty ones go when they have been empty for a while, down to the least
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from clary.capabilities.endpoints.fleet import Variant
from clary.wire.errors import NotBuilt, ValidationException

Request = dict[str, Any]

MEMBER = "ManagedInstanceScaling"
LEAST = 1
"""MinInstanceCount where it is not said; AWS publishes none, and none at all is something to be asked for."""
COOLDOWN_MINUTES, STEP = 20, 1
"""AWS's defaults for consolidation."""


@dataclass(frozen=True, slots=True)
class Bounds:
    least: int
    most: int | None
    """`None`: as many as the quota has."""
    patience: float
    """Seconds that instances are empty before they go."""
    step: int | None
    """How many go at a time; `None`: all that are empty."""


def bounds(production: Request, empty: float) -> Bounds | None:
    """Of a ProductionVariant; `None` where its instances are counted by others. `empty`: `patience` without a cooldown.

    Copies are laid onto instances anew whenever they are counted, so that they are always consolidated: the strategies
    differ in when and how many instances go.
    """
    given = production.get(MEMBER, {})
    if given.get("Status") != "ENABLED":
        return None
    policy = given.get("ScaleInPolicy", {})
    patience, step = empty, None
    if policy.get("Strategy") == "CONSOLIDATION":
        patience = 60.0 * policy.get("CooldownInMinutes", COOLDOWN_MINUTES)
        step = policy.get("MaximumStepSize", STEP)
    return Bounds(given.get("MinInstanceCount", LEAST), given.get("MaxInstanceCount"), patience, step)


def check(variant: Request) -> None:
    """Raises ValidationException, or NotBuilt for a variant with a model."""
    found = bounds(variant, 0.0)
    if found is None:
        return
    if variant.get("ModelName"):
        raise NotBuilt("ManagedInstanceScaling of a variant with a ModelName is not supported: it is for components.")
    initial = variant.get("InitialInstanceCount", 1)
    if not found.least <= initial <= (found.most or initial):
        raise ValidationException(
            f"InitialInstanceCount of variant {variant['VariantName']} must be from MinInstanceCount to "
            "MaxInstanceCount of its ManagedInstanceScaling."
        )


def scaled(variant: Variant, needed: int, bounds: Bounds, now: float) -> tuple[Variant, float | None]:
    """The variant as it is to be, and seconds until fewer may do. `needed`: instances that have room for all copies."""
    wanted = max(bounds.least, min(needed, bounds.most or needed))
    if wanted >= variant.count:
        return msgspec.structs.replace(variant, count=wanted, spare=0.0), None
    since = variant.spare or now
    if (left := since + bounds.patience - now) > 0:
        return msgspec.structs.replace(variant, spare=since), left
    count = wanted if bounds.step is None else max(wanted, variant.count - bounds.step)
    return msgspec.structs.replace(variant, count=count, spare=0.0), None
