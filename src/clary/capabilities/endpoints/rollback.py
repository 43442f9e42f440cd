"""An update going back, for a reason that becomes the endpoint's FailureReason. Pure; part of `decide.py`.

The next fleet has no calls     -> it goes at once
blue/green                      -> all calls come back to the old fleet at once; then the next one goes
rolling                         -> the old fleet's instances come back in batches, and with each its part of the calls
they cannot                     -> UpdateRollbackFailed: what is there of both fleets serves on, until the next update
"""

import msgspec

from clary.capabilities.endpoints import traffic
from clary.capabilities.endpoints.deployment import Deployment, Policy, batch, kept
from clary.capabilities.endpoints.fleet import Fleet, Fleets
from clary.capabilities.endpoints.tending import DRAIN_SECONDS, Turn


def begin(turn: Turn, fleets: Fleets, under_way: Deployment, chosen: Policy, reason: str) -> tuple[str, Fleets]:
    going = msgspec.structs.replace(under_way, stage="returning", since=turn.now, reason=reason)
    fleets = msgspec.structs.replace(fleets, deployment=going)
    if not under_way.step:
        return _end(turn, fleets, going)
    return "RollingBack", _bring_back(fleets, chosen)


def advance(turn: Turn, fleets: Fleets, under_way: Deployment, chosen: Policy, short: str) -> tuple[str, Fleets]:
    """`short`: why the old fleet cannot have an instance that it lacks."""
    assert fleets.serving and fleets.next
    if not any(variant.share for variant in fleets.next.variants):
        # Until every server knows, some still send it calls.
        over = turn.now - under_way.since >= DRAIN_SECONDS
        return _end(turn, fleets, under_way) if over else ("RollingBack", fleets)
    if short:
        return _strand(turn, fleets, under_way, short)
    if not fleets.serving.whole:
        return "RollingBack", fleets
    returned = _bring_back(_give_back(fleets), chosen)
    since = msgspec.structs.replace(under_way, since=turn.now)
    return "RollingBack", msgspec.structs.replace(returned, deployment=since)


def _bring_back(fleets: Fleets, chosen: Policy) -> Fleets:
    """The next batch of the old fleet's instances, or all calls when none is missing."""
    assert fleets.serving
    if fleets.stranded or traffic.part_there(fleets.serving) >= 1.0:
        return traffic.back(fleets, 0.0)
    variants = (
        msgspec.structs.replace(each, limit=min(each.count, each.target + batch(chosen.back, each.count)))
        for each in fleets.serving.variants
    )
    return msgspec.structs.replace(fleets, serving=msgspec.structs.replace(fleets.serving, variants=tuple(variants)))


def _give_back(fleets: Fleets) -> Fleets:
    """The calls of the instances that are back; as many of the next fleet's are ended."""
    assert fleets.serving and fleets.next
    share = 1.0 - traffic.part_there(fleets.serving)
    fleets = traffic.back(fleets, share)
    assert fleets.next
    if not share:
        return fleets
    variants = (msgspec.structs.replace(each, limit=kept(each.count, 1.0 - share)) for each in fleets.next.variants)
    return msgspec.structs.replace(fleets, next=msgspec.structs.replace(fleets.next, variants=tuple(variants)))


def _end(turn: Turn, fleets: Fleets, under_way: Deployment) -> tuple[str, Fleets]:
    """Nothing calls the next fleet any more."""
    assert fleets.serving and fleets.next
    turn.let_go(fleets.next.instances, drain=False)
    serving = fleets.serving if fleets.stranded else traffic.settled(fleets.serving)
    fleets = msgspec.structs.replace(fleets, serving=serving, next=None, deployment=None, failure=under_way.reason)
    return ("UpdateRollbackFailed", traffic.spread(fleets)) if fleets.stranded else ("InService", fleets)


def _strand(turn: Turn, fleets: Fleets, under_way: Deployment, short: str) -> tuple[str, Fleets]:
    assert fleets.serving and fleets.next
    kept_next, kept_serving = _as_it_is(turn, fleets.next), _as_it_is(turn, fleets.serving)
    failure = f"{under_way.reason} The rollback failed: {short}"[:1024]
    stranded = msgspec.structs.replace(
        fleets, serving=kept_serving, stranded=kept_next, next=None, deployment=None, failure=failure
    )
    return "UpdateRollbackFailed", traffic.spread(stranded)


def _as_it_is(turn: Turn, fleet: Fleet) -> Fleet:
    proven = turn.only_proven(fleet)
    variants = (msgspec.structs.replace(each, limit=len(each.instances), active=None) for each in proven.variants)
    return msgspec.structs.replace(proven, variants=tuple(variants))
