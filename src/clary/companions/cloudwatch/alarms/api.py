"""The operations that make, change and delete alarms."""

from typing import Any

from clary.companions.cloudwatch.alarms import composite, history
from clary.companions.cloudwatch.alarms.kind import ALARM, RULE, find, get
from clary.companions.cloudwatch.alarms.measure import interval_of
from clary.companions.cloudwatch.alarms.putting import check
from clary.companions.cloudwatch.alarms.reasons import INITIAL
from clary.companions.cloudwatch.alarms.reconcile import HELD_UNTIL
from clary.companions.cloudwatch.alarms.transition import move, rouse
from clary.companions.cloudwatch.queries import refused
from clary.resources.edit import edit
from clary.resources.making import add, new
from clary.resources.store import Store
from clary.resources.tags import checked
from clary.wire.context import Context
from clary.wire.operations import Request, operation


@operation("PutMetricAlarm", "cloudwatch")
def put_metric_alarm(ctx: Context, request: Request) -> None:
    """A new alarm is judged at once; a changed one keeps its state until it is judged again."""
    spec = {name: value for name, value in request.items() if name != "Tags"}
    tags = checked(request.get("Tags", []))
    check(ctx, spec)
    put(ctx, spec, tags)


@operation("PutCompositeAlarm", "cloudwatch")
def put_composite_alarm(ctx: Context, request: Request) -> None:
    spec = {name: value for name, value in request.items() if name != "Tags"}
    tags = checked(request.get("Tags", []))
    composite.check(ctx, spec)
    put(ctx, spec, tags)


def put(ctx: Context, spec: dict[str, Any], tags: dict[str, str]) -> None:
    """Make or change the alarm of a spec that was checked."""
    store = ctx.need(Store)
    with store.write(f"alarm {ctx.account} {ctx.region} {spec['AlarmName']}"):
        known = get(store, ctx.account, ctx.region, spec["AlarmName"])
        if known is None:
            _create(ctx, spec, tags)
            return
        if (RULE in known.spec) != (RULE in spec):
            raise refused(f"The alarm {known.name} exists and is of another type.")
        with edit(ctx, known) as change:
            change.record.spec.clear()
            change.record.spec.update(spec)
            change.record.state["AlarmConfigurationUpdatedTimestamp"] = change.now
            history.configured(store, change.record, "Update", spec)
            rouse(ctx.parts, change.record)


def _create(ctx: Context, spec: dict[str, Any], tags: dict[str, str]) -> None:
    store = ctx.need(Store)
    now = store.now()
    times = ("AlarmConfigurationUpdatedTimestamp", "StateUpdatedTimestamp", "StateTransitionedTimestamp")
    state = {"StateReason": INITIAL, **dict.fromkeys(times, now)}
    record = new(ALARM, ctx, spec["AlarmName"], now, spec=spec, state=state, due=now)
    add(ctx, record, tags)
    history.configured(store, record, "Create", spec)


@operation("DeleteAlarms", "cloudwatch")
def delete_alarms(ctx: Context, request: Request) -> None:
    """All or none. Raises ResourceNotFound."""
    delete(ctx, request["AlarmNames"])


def delete(ctx: Context, names: list[str]) -> None:
    store = ctx.need(Store)
    with store.write():
        for record in [find(ctx, name) for name in dict.fromkeys(names)]:
            fresh = store.locked(record.id)
            if fresh is not None:
                store.delete(fresh)
                history.configured(store, fresh, "Delete", fresh.spec)


@operation("SetAlarmState", "cloudwatch")
def set_alarm_state(ctx: Context, request: Request) -> None:
    """For one interval; then the metric says what is so."""
    with edit(ctx, find(ctx, request["AlarmName"])) as change:
        change.record.state[HELD_UNTIL] = change.now + interval_of(change.record.spec)
        data = request.get("StateReasonData", "")
        move(ctx.parts, change, request["StateValue"], request["StateReason"], data)


@operation("EnableAlarmActions", "cloudwatch")
def enable_alarm_actions(ctx: Context, request: Request) -> None:
    _switch(ctx, request["AlarmNames"], enabled=True)


@operation("DisableAlarmActions", "cloudwatch")
def disable_alarm_actions(ctx: Context, request: Request) -> None:
    _switch(ctx, request["AlarmNames"], enabled=False)


def _switch(ctx: Context, names: list[str], *, enabled: bool) -> None:
    """AWS passes over names that no alarm has."""
    store = ctx.need(Store)
    for name in names:
        record = get(store, ctx.account, ctx.region, name)
        if record is None:
            continue
        with edit(ctx, record) as change:
            change.record.spec["ActionsEnabled"] = enabled
            rouse(ctx.parts, change.record)
