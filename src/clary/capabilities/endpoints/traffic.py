"""Which part of an endpoint's calls goes to which of its fleets, while an update shifts it. Pure."""

from collections.abc import Mapping

import msgspec

from clary.capabilities.endpoints.deployment import Policy, Reach
from clary.capabilities.endpoints.fleet import Fleet, Fleets, Variant

NOTHING = Reach(0, 0.0)


def counts(fleet: Fleet) -> list[int]:
    return [variant.count for variant in fleet.variants]


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
    return sum(variant.target for variant in fleet.variants) / wanted if wanted else 1.0


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
