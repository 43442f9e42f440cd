"""Which part of an endpoint's calls goes to which of its fleets, while an update shifts it. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from clary.capabilities.endpoints.deployment import Policy, Reach
from clary.capabilities.endpoints.fleet import Fleet, Fleets, Variant
from clary.capabilities.endpoints.serverless.config import of as serverless

NOTHING = Reach(0, 0.0)


class Taking(NamedTuple):
    """A variant of one fleet that takes calls: `weight` among all of them, `share` among those of its name."""

    variant: Variant
    weight: float
    share: float
    config: str
    """The fleet's configuration while several fleets serve; else empty."""


def taking(fleets: Fleets) -> list[Taking]:
    """What calls go to now. Calls of a fleet that has no instance ready go to another that has the same variant, unless
    calls are what brings its instances."""
    serving = [each for each in (fleets.serving, fleets.stranded, fleets.deployment and fleets.next) if each]
    if fleets.serving is None or len(serving) == 1:
        return [Taking(each, each.weight, 1.0, "") for fleet in serving for each in fleet.production]
    there = [(fleet, each) for fleet in serving for each in fleet.production if each.share > 0]
    able = {each.name for _, each in there if each.taking}
    there = [
        (fleet, each) for fleet, each in there if each.taking or serverless(each.production) or each.name not in able
    ]
    shares: dict[str, float] = {}
    for _, each in there:
        shares[each.name] = shares.get(each.name, 0.0) + each.share
    # Of different configurations weights are only comparable as parts.
    parts = {fleet.generation: sum(each.weight for each in fleet.production) or 1.0 for fleet in serving}
    return [
        Taking(each, each.weight / parts[fleet.generation] * share, share, fleet.config)
        for fleet, each in there
        for share in [each.share / shares[each.name]]
    ]


def counts(fleet: Fleet) -> list[int]:
    """Instances that each variant of it has in the end."""
    return [variant.count for variant in fleet.production]


def dark(fleet: Fleet) -> Fleet:
    """It gets no calls yet."""
    return _reached(fleet, {})


def shift(fleets: Fleets, policy: Policy, step: int) -> Fleets:
    """With the calls of a step on the next fleet and the rest on the old."""
    assert fleets.next
    steps = policy.steps(counts(fleets.next))
    reaches = {each.name: policy.reach(step, steps, each.count) for each in fleets.next.variants}
    return spread(msgspec.structs.replace(fleets, next=_reached(fleets.next, reaches)))


def back(fleets: Fleets, share: float) -> Fleets:
    """With this part of the calls left on the next fleet."""
    assert fleets.next
    if not share:
        return spread(msgspec.structs.replace(fleets, next=dark(fleets.next)))
    variants = (msgspec.structs.replace(each, share=share) for each in fleets.next.variants)
    return spread(msgspec.structs.replace(fleets, next=msgspec.structs.replace(fleets.next, variants=tuple(variants))))


def spread(fleets: Fleets) -> Fleets:
    """The old fleets take what the next one does not: a variant that it lacks has calls until it takes all."""
    taken = {each.name: each.share for each in fleets.next.variants} if fleets.next else {}
    rest = 1.0 - min(taken.values(), default=0.0)
    left = {name: 1.0 - share for name, share in taken.items()}

    def shared(fleet: Fleet | None, part: float) -> Fleet | None:
        if fleet is None:
            return None
        variants = (msgspec.structs.replace(each, share=part * left.get(each.name, rest)) for each in fleet.variants)
        return msgspec.structs.replace(fleet, variants=tuple(variants))

    own = _own_part(fleets)
    return msgspec.structs.replace(
        fleets, serving=shared(fleets.serving, own), stranded=shared(fleets.stranded, 1.0 - own)
    )


def settled(fleet: Fleet) -> Fleet:
    """It is the only one, whole, and takes everything."""
    variants = (msgspec.structs.replace(each, limit=None, active=None, share=1.0) for each in fleet.variants)
    return msgspec.structs.replace(fleet, variants=tuple(variants))


def part_there(fleet: Fleet) -> float:
    """How much of its instances a fleet is to have now."""
    wanted = sum(counts(fleet))
    return sum(variant.target for variant in fleet.production) / wanted if wanted else 1.0


def _own_part(fleets: Fleets) -> float:
    """The serving fleet's part of what the old fleets take: by its instances, where a part of another is stranded."""
    return part_there(fleets.serving) if fleets.serving and fleets.stranded else 1.0


def _reached(fleet: Fleet, reaches: Mapping[str, Reach]) -> Fleet:
    variants: list[Variant] = []
    for variant in fleet.variants:
        reach = reaches.get(variant.name, NOTHING)
        active = None if reach.active >= variant.count and reach.share == 1.0 else reach.active
        variants.append(msgspec.structs.replace(variant, active=active, share=reach.share))
    return msgspec.structs.replace(fleet, variants=tuple(variants))
