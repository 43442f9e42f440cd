"""An update going forward, step by step: `deployment.py` says how far each goes. Pure; part of `decide.py`.

launching -> the instances of the step are ready: its calls come to the next fleet
baking    -> an alarm, or too late: back (`rollback.py`); the time is over: the next step, or the old fleet goes

A rolling update has only as many of the next fleet's instances as the step needs, and ends as many of the old one's
when the step has baked. The old fleet of a blue/green update stays whole to the end.
"""

from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from clary.capabilities.endpoints import rollback, traffic
from clary.capabilities.endpoints.deployment import Deployment, Policy, kept, peak, policy
from clary.capabilities.endpoints.fleet import Fleet, Fleets, Variant
from clary.capabilities.endpoints.tending import Turn

WATCH_SECONDS = 1.0
"""Between looks at alarms."""


def begin(fleets: Fleets, upcoming: Fleet, asked: dict[str, Any], now: float) -> Fleets:
    """The update as it is stored first: nothing of the next fleet runs yet."""
    chosen, upcoming = policy(asked), traffic.dark(upcoming)
    if chosen.rolling:
        upcoming = _grown(upcoming, chosen, 1)
    deployment = Deployment(asked=asked, started=now, since=now)
    return msgspec.structs.replace(fleets, next=upcoming, deployment=deployment, failure="")


def advance(turn: Turn, fleets: Fleets, alarms: Collection[str], short: str, broken: str) -> tuple[str, Fleets]:
    """`short`: why the serving fleet cannot have an instance that it lacks; `broken`: the same of the next fleet."""
    # A record of before there were deployments has none.
    under_way = fleets.deployment or Deployment(started=turn.now, since=turn.now)
    fleets = msgspec.structs.replace(fleets, deployment=under_way)
    chosen = policy(under_way.asked)
    if under_way.stage == "returning":
        return rollback.advance(turn, fleets, under_way, chosen, short)
    if reason := broken or _tripped(under_way, alarms) or _overdue(under_way, chosen, turn.now):
        return rollback.begin(turn, fleets, under_way, chosen, reason)
    if under_way.stage == "launching":
        ready = fleets.next and fleets.next.whole
        return _step(turn, fleets, under_way, chosen) if ready else ("Updating", fleets)
    return _baked(turn, fleets, under_way, chosen)


def wait(fleets: Fleets, now: float) -> float:
    """Seconds until an update whose instances are all ready is to be looked at."""
    under_way = fleets.deployment
    if under_way is None or under_way.stage != "baking":
        return WATCH_SECONDS / 2
    chosen = policy(under_way.asked)
    over = under_way.since + chosen.bake(under_way.step, _steps(fleets, chosen)) - now
    return max(0.05, min(over, WATCH_SECONDS) if chosen.alarms or chosen.timeout else over)


def most(fleets: Fleets) -> list[tuple[str, int]]:
    """Instance type and number of the most instances that there are at once, while nothing is rolled back."""
    chosen = policy(fleets.deployment.asked) if fleets.deployment else None
    if chosen is None or not chosen.rolling or fleets.serving is None or fleets.next is None:
        return _sized(each for fleet in fleets.present for each in fleet.variants)
    old = {each.name: each for each in fleets.serving.production}
    found = _sized((*fleets.serving.shadows, *fleets.next.shadows))
    for each in fleets.next.production:
        before, instance_type = old[each.name], each.production["InstanceType"]
        if before.production["InstanceType"] == instance_type:
            found.append((instance_type, peak(chosen, before.count, each.count)))
        else:
            found += _sized((before, each))
    return found


def _sized(variants: Iterable[Variant]) -> list[tuple[str, int]]:
    """Those that run on instances of a type, which serverless ones do not."""
    return [(each.production["InstanceType"], each.count) for each in variants if "InstanceType" in each.production]


def _step(turn: Turn, fleets: Fleets, under_way: Deployment, chosen: Policy) -> tuple[str, Fleets]:
    """One more step of the calls to the next fleet. The last is the end where nobody waits for anything."""
    step, steps = under_way.step + 1, _steps(fleets, chosen)
    if step == steps and not chosen.bake(step, steps) and not chosen.alarms:
        return _finish(turn, fleets)
    shifted = under_way.shifted or turn.now
    stepped = msgspec.structs.replace(under_way, stage="baking", step=step, since=turn.now, shifted=shifted)
    return "Updating", msgspec.structs.replace(traffic.shift(fleets, chosen, step), deployment=stepped)


def _baked(turn: Turn, fleets: Fleets, under_way: Deployment, chosen: Policy) -> tuple[str, Fleets]:
    steps = _steps(fleets, chosen)
    if turn.now - under_way.since < chosen.bake(under_way.step, steps):
        return "Updating", fleets
    if under_way.step >= steps:
        return _finish(turn, fleets)
    if not chosen.rolling:
        return _step(turn, fleets, under_way, chosen)
    assert fleets.serving and fleets.next
    changed = msgspec.structs.replace(
        fleets,
        serving=_shrunk(fleets.serving, fleets.next),
        next=_grown(fleets.next, chosen, under_way.step + 1),
        deployment=msgspec.structs.replace(under_way, stage="launching", since=turn.now),
    )
    return "Updating", changed


def _finish(turn: Turn, fleets: Fleets) -> tuple[str, Fleets]:
    assert fleets.serving and fleets.next
    for old in (fleets.serving, fleets.stranded):
        turn.let_go(old.instances if old else (), drain=True)
    serving = traffic.settled(fleets.next)
    return "InService", msgspec.structs.replace(
        fleets, serving=serving, next=None, stranded=None, deployment=None, failure=""
    )


def _grown(fleet: Fleet, chosen: Policy, step: int) -> Fleet:
    """The next fleet with the instances of this step."""
    steps = chosen.steps(traffic.counts(fleet))
    variants = (
        msgspec.structs.replace(each, limit=chosen.reach(step, steps, each.count).active) for each in fleet.variants
    )
    return msgspec.structs.replace(fleet, variants=tuple(variants))


def _shrunk(serving: Fleet, upcoming: Fleet) -> Fleet:
    """The serving fleet without the instances whose calls the next one takes."""
    taken = {each.name: each.share for each in upcoming.variants}
    variants = (
        msgspec.structs.replace(each, limit=kept(each.count, taken.get(each.name, 0.0))) for each in serving.variants
    )
    return msgspec.structs.replace(serving, variants=tuple(variants))


def _steps(fleets: Fleets, chosen: Policy) -> int:
    return chosen.steps(traffic.counts(fleets.next)) if fleets.next else 1


def _tripped(under_way: Deployment, alarms: Collection[str]) -> str:
    if not under_way.step or not alarms:
        return ""
    names = ", ".join(sorted(alarms))
    return f"The deployment was rolled back because one or more alarms went into ALARM state: [{names}]."


def _overdue(under_way: Deployment, chosen: Policy, now: float) -> str:
    if chosen.timeout is None or now - under_way.started <= chosen.timeout:
        return ""
    return (
        "The deployment was rolled back because it did not complete within MaximumExecutionTimeoutInSeconds "
        f"({chosen.timeout} seconds)."
    )
