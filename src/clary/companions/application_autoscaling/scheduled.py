"""Scheduled actions: bounds that change at a time, or again and again."""

import uuid
from typing import Any

from clary.companions.application_autoscaling.bounds import check_bounds
from clary.companions.application_autoscaling.kinds import (
    SCHEDULED_ACTION,
    SCOPE,
    SERVICE,
    arn,
    every,
    find_target,
    member_name,
    missing,
    page_of,
    target_name,
)
from clary.companions.application_autoscaling.schedules import BadSchedule, following
from clary.resources.edit import edit
from clary.resources.making import add, new
from clary.resources.records import Record
from clary.resources.store import Store
from clary.wire.context import Context
from clary.wire.errors import ValidationException
from clary.wire.operations import Request, Response, operation

NEXT = "Next"
"""State: when it acts next, in epoch seconds."""
KEPT = ("ScheduledActionName", "Schedule", "Timezone", "StartTime", "EndTime", "ScalableTargetAction")


@operation("PutScheduledAction", SERVICE)
def put_scheduled_action(ctx: Context, request: Request) -> Response:
    """Members that a known action is not given stay as they were, but for its times."""
    store, name = ctx.need(Store), member_name(request, request["ScheduledActionName"])
    target = find_target(ctx, request)
    with store.write(f"scheduled {ctx.account} {ctx.region} {name}"):
        known = store.get(SCHEDULED_ACTION.noun, ctx.account, ctx.region, name, target.name)
        spec = _spec(known.spec if known else {}, request)
        upcoming = _first(spec, store.now())
        if known is None:
            add(ctx, _new(ctx, name, target, spec, upcoming, store.now()))
        else:
            with edit(ctx, known) as change:
                change.record.spec, change.record.state[NEXT] = spec, upcoming
    return {}


def _spec(before: dict[str, Any], request: Request) -> dict[str, Any]:
    kept = {name: value for name, value in before.items() if name not in ("StartTime", "EndTime")}
    spec = kept | {name: request[name] for name in (*SCOPE, *KEPT) if name in request}
    if "Schedule" not in spec:
        raise ValidationException("Schedule must be specified for a new scheduled action.")
    bounds = spec.get("ScalableTargetAction", {})
    if not bounds:
        raise ValidationException("MinCapacity, MaxCapacity or both must be specified in ScalableTargetAction.")
    check_bounds(bounds)
    if spec.get("StartTime", 0) >= spec.get("EndTime", float("inf")):
        raise ValidationException("StartTime must be before EndTime.")
    return spec


def _first(spec: dict[str, Any], now: float) -> float:
    upcoming = next_time(spec, now, now)
    if upcoming is None:
        raise ValidationException("Scheduled action has no time in the future.")
    return upcoming


def next_time(spec: dict[str, Any], anchor: float, after: float) -> float | None:
    """None for never again. Raises ValidationException."""
    start = spec.get("StartTime", anchor)
    try:
        # A start time may itself be the first time.
        found = following(spec["Schedule"], spec.get("Timezone", "UTC"), start, max(after, start - 0.001))
    except BadSchedule as error:
        raise ValidationException(f"Schedule is not valid: {error}.") from error
    return None if found is None or found > spec.get("EndTime", found) else found


def _new(ctx: Context, name: str, target: Record, spec: dict[str, Any], upcoming: float, now: float) -> Record:
    shown = arn(ctx, "scheduledAction scheduledActionName", str(uuid.uuid4()), spec, spec["ScheduledActionName"])
    state = {"ScheduledActionARN": shown, NEXT: upcoming}
    named = {"parent": target.name, "arn": shown.lower(), "state": state, "due": now}
    return new(SCHEDULED_ACTION, ctx, name, now, spec=spec, **named)


@operation("DeleteScheduledAction", SERVICE)
def delete_scheduled_action(ctx: Context, request: Request) -> Response:
    store = ctx.need(Store)
    name = member_name(request, request["ScheduledActionName"])
    record = store.get(SCHEDULED_ACTION.noun, ctx.account, ctx.region, name, target_name(request))
    if record is None:
        raise missing("scheduled action found", request, f"scheduled action name: {request['ScheduledActionName']}")
    with store.write():
        drop(store, record)
    return {}


def drop(store: Store, action: Record) -> None:
    fresh = store.locked(action.id)
    if fresh is not None:
        store.delete(fresh)


@operation("DescribeScheduledActions", SERVICE)
def describe_scheduled_actions(ctx: Context, request: Request) -> Response:
    """Those that will act again."""
    names = request.get("ScheduledActionNames")
    wanted = {name: request[name] for name in SCOPE if name in request}
    found = (
        record
        for record in every(ctx.need(Store), SCHEDULED_ACTION, ctx.account, ctx.region)
        if all(record.spec[name] == value for name, value in wanted.items())
        and (not names or record.spec["ScheduledActionName"] in names)
    )
    page, more = page_of(ctx, request, "scheduled actions", found)
    return {"ScheduledActions": [_shown(record) for record in page]} | more


def _shown(record: Record) -> Response:
    return record.spec | {"ScheduledActionARN": record.state["ScheduledActionARN"], "CreationTime": record.created}
