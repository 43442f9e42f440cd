"""Scaling activities: each change of a capacity, from its cause to its end. One at a time for each target.

The activity is stored first and acted on by its own reconciler, so that what was decided once is done once.
"""

import uuid
from typing import Any, NamedTuple

from clary.companions.application_autoscaling.kinds import ACTIVITY, SCOPE, SERVICE, every, page_of
from clary.resources.making import add, new
from clary.resources.records import Record
from clary.resources.store import Store
from clary.wire.context import Context, Parts
from clary.wire.operations import Request, Response, operation

LAST = "LastActivity"
"""State of a target: the id of the activity's record that scaled it last."""
UNFINISHED = ("Pending", "InProgress")


class Change(NamedTuple):
    """`cooldown` is how many seconds after its end nothing may follow it."""

    before: int
    after: int
    cause: str
    description: str
    cooldown: float = 0.0


def last_of(store: Store, target: Record) -> Record | None:
    known = target.state.get(LAST)
    return store.by_id(known) if known else None


def is_busy(store: Store, target: Record) -> bool:
    last = last_of(store, target)
    return last is not None and last.status in UNFINISHED


def begin(parts: Parts, target: Record, change: Change) -> None:
    """Nothing happens where another one is under way, or the target is gone."""
    store = parts.need(Store)
    with store.write():
        fresh = store.locked(target.id)
        if fresh is None or is_busy(store, fresh):
            return
        spec = {"Before": change.before, "After": change.after, "Cooldown": change.cooldown}
        record = _new(store, fresh, spec, change.cause, change.description)
        add(parts, record)
        fresh.state[LAST] = record.id
        store.update(fresh)


def tell(parts: Parts, target: Record, cause: str, description: str, message: str) -> None:
    """An activity that is over when it is told, inside the transaction of what it tells."""
    record = _new(parts.need(Store), target, {}, cause, description)
    record.status, record.state = "Successful", {"EndTime": record.created, "StatusMessage": message}
    add(parts, record)


def _new(store: Store, target: Record, spec: dict[str, Any], cause: str, description: str) -> Record:
    told = {name: target.spec[name] for name in SCOPE} | spec | {"Cause": cause, "Description": description}
    now = store.now()
    return new(ACTIVITY, target, str(uuid.uuid4()), now, parent=target.name, spec=told, due=now)


@operation("DescribeScalingActivities", SERVICE)
def describe_scaling_activities(ctx: Context, request: Request) -> Response:
    """Newest first, of the last six weeks."""
    wanted = {name: request[name] for name in SCOPE if name in request}
    found = every(
        ctx.need(Store),
        ACTIVITY,
        ctx.account,
        ctx.region,
        where=lambda record: all(record.spec[name] == value for name, value in wanted.items()),
        descending=True,
    )
    page, more = page_of(ctx, request, "activities", found, descending=True)
    return {"ScalingActivities": [_shown(record) for record in page]} | more


def _shown(record: Record) -> Response:
    shown = {name: record.spec[name] for name in (*SCOPE, "Cause", "Description")}
    return shown | {
        "ActivityId": record.name,
        "StartTime": record.created,
        "StatusCode": record.status,
        "StatusMessage": record.state.get("StatusMessage", ""),
        **({"EndTime": record.state["EndTime"]} if "EndTime" in record.state else {}),
    }
