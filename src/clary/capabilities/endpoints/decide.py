"""What to do about an endpoint, from what it should be and what is seen. Pure; `reconcile.py` sees and acts.

next fleet alone        -> it serves when it is whole; the endpoint has failed when it cannot start
no next fleet           -> a change of weights and counts, if any, comes to its end: `capacity.py`
next fleet beside one   -> an update: forward in `rollout.py`, back in `rollback.py`
serving instance ended  -> its place gets a new workload, later each time: `tending.py`
retired instance        -> stopped when no server can still know it, then destroyed
"""

from collections.abc import Collection
from dataclasses import dataclass

import msgspec

from clary.capabilities.endpoints import capacity, rollout
from clary.capabilities.endpoints.fleet import Fleet, Fleets
from clary.capabilities.endpoints.tending import ROOM_SECONDS, Sights, Turn


@dataclass(frozen=True, slots=True)
class Decision:
    """`fleets` is stored first; the actions are for a fleet that is stored already."""

    fleets: Fleets
    status: str
    message: str = ""
    start: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    destroy: tuple[str, ...] = ()
    wait: float | None = None


def decide(
    record_id: str,
    status: str,
    fleets: Fleets,
    seen: Sights,
    now: float,
    startup: float,
    alarms: Collection[str] = (),
) -> Decision:
    """`startup`: seconds an instance has to become healthy where its variant does not say.

    `alarms`: those in ALARM of the deployment under way.
    """
    turn = Turn(record_id, seen, now, startup)
    if status == "Deleting":
        for fleet in fleets.present:
            turn.let_go(fleet.instances, drain=False)
        fleets = msgspec.structs.replace(fleets, serving=None, next=None, stranded=None, deployment=None)
    else:
        status, fleets = _advance(turn, status, fleets, alarms)
    retired, stop, destroy = turn.retire((*fleets.retired, *turn.outgoing))
    fleets = msgspec.structs.replace(fleets, retired=retired)
    return Decision(fleets, status, turn.message, tuple(turn.start), stop, destroy, _wait(fleets, now))


def _advance(turn: Turn, status: str, fleets: Fleets, alarms: Collection[str]) -> tuple[str, Fleets]:
    serving, short = turn.tend(fleets.serving) if fleets.serving else (None, "")
    stranded, _ = turn.tend(fleets.stranded) if fleets.stranded else (None, "")
    upcoming, broken = turn.tend(fleets.next) if fleets.next else (None, "")
    fleets = msgspec.structs.replace(fleets, serving=serving, stranded=stranded, next=upcoming)
    if upcoming is None:
        return capacity.settle(turn, status, fleets, short)
    if serving is None:
        return _create(turn, status, fleets, upcoming, broken)
    return rollout.advance(turn, fleets, alarms, short, broken)


def _create(turn: Turn, status: str, fleets: Fleets, upcoming: Fleet, broken: str) -> tuple[str, Fleets]:
    if broken:
        turn.let_go(upcoming.instances, drain=False)
        return "Failed", msgspec.structs.replace(fleets, next=None, failure=broken)
    if upcoming.whole:
        return "InService", msgspec.structs.replace(fleets, serving=upcoming, next=None, failure="")
    return status, fleets


def _wait(fleets: Fleets, now: float) -> float | None:
    """Seconds until something may have changed that nobody tells us."""
    pending = [instance for instance in fleets.instances if not instance.ready]
    if pending and all(instance.waiting for instance in pending) and not fleets.retired:
        return ROOM_SECONDS
    if pending or fleets.retired:
        return 0.1 if any(now - instance.since < 10 for instance in pending) else 0.5
    if fleets.deployment:
        return rollout.wait(fleets, now)
    return 5.0 if fleets.instances else None
