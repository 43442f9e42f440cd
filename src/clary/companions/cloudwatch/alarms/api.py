"""The operations of CloudWatch alarms."""

from collections.abc import Callable
from typing import Any

from clary.companions import tokens
from clary.companions.cloudwatch.alarms import composite, history
from clary.companions.cloudwatch.alarms.kind import ACTIONS, ALARM, RULE, arn, every, get, shown, type_of
from clary.companions.cloudwatch.alarms.measure import interval_of, queries_of
from clary.companions.cloudwatch.alarms.putting import check
from clary.companions.cloudwatch.alarms.reasons import INITIAL
from clary.companions.cloudwatch.alarms.reconcile import HELD_UNTIL
from clary.companions.cloudwatch.alarms.transition import move, rouse
from clary.companions.cloudwatch.putting import dimensions
from clary.companions.cloudwatch.queries import refused
from clary.resources.edit import edit
from clary.resources.records import Record, new_id
from clary.resources.store import Store
from clary.resources.tags import checked
from clary.resources.wake import Wake
from clary.wire.context import Context
from clary.wire.errors import AwsError
from clary.wire.operations import Request, Response, operation

PAGE = 50
HISTORY_PAGE = 100


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
            _create(ctx, store, spec, tags)
            return
        if (RULE in known.spec) != (RULE in spec):
            raise refused(f"The alarm {known.name} exists and is of another type.")
        with edit(ctx, known) as change:
            change.record.spec.clear()
            change.record.spec.update(spec)
            change.record.state["AlarmConfigurationUpdatedTimestamp"] = change.now
            history.configured(store, change.record, "Update", spec)
            rouse(ctx.parts, change.record)


def _create(ctx: Context, store: Store, spec: dict[str, Any], tags: dict[str, str]) -> None:
    now = store.now()
    times = ("AlarmConfigurationUpdatedTimestamp", "StateUpdatedTimestamp", "StateTransitionedTimestamp")
    record = Record(
        id=new_id(),
        account=ctx.account,
        region=ctx.region,
        kind=ALARM.noun,
        name=spec["AlarmName"],
        status=ALARM.machine.start,
        spec=spec,
        state={"StateReason": INITIAL, **dict.fromkeys(times, now)},
        created=now,
        modified=now,
        due=now,
    )
    store.insert(record, tags=tags)
    history.configured(store, record, "Create", spec)
    store.after_commit(ctx.need(Wake).poke, record.id)


@operation("DescribeAlarms", "cloudwatch")
def describe_alarms(ctx: Context, request: Request) -> Response:
    if "AlarmNames" in request and "AlarmNamePrefix" in request:
        raise refused("AlarmNames and AlarmNamePrefix cannot both be specified.")
    fits = _fits(ctx, request)
    filters = {"name_prefix": request.get("AlarmNamePrefix", ""), "status": request.get("StateValue")}
    alarms = every(ctx.need(Store), ctx.account, ctx.region, fits, **filters)
    limit = request.get("MaxRecords", PAGE)
    try:
        found, more = tokens.page(alarms, lambda one: one.name, "alarms", request.get("NextToken"), limit)
    except tokens.BadToken as error:
        raise _bad_token() from error
    answer: Response = {"MetricAlarms": [], "CompositeAlarms": []}
    for record in found:
        answer[f"{type_of(record)}s"].append(shown(record))
    return answer | ({"NextToken": more} if more else {})


def _fits(ctx: Context, request: Request) -> Callable[[Record], bool]:
    """Which alarms are asked for: composite ones only where they are named as a type, or by their relations."""
    names = set(request["AlarmNames"]) if "AlarmNames" in request else None
    prefix, types = request.get("ActionPrefix", ""), request.get("AlarmTypes", ["MetricAlarm"])
    if "ParentsOfAlarmName" in request:
        child = request["ParentsOfAlarmName"]
        return lambda record: child in composite.children(record)
    if "ChildrenOfAlarmName" in request:
        below = composite.children(_find(ctx, request["ChildrenOfAlarmName"]))
        return lambda record: record.name in below

    def fits(record: Record) -> bool:
        has_action = not prefix or any(a.startswith(prefix) for m in ACTIONS.values() for a in record.spec.get(m, ()))
        return has_action and (names is None or record.name in names) and type_of(record) in types

    return fits


@operation("DescribeAlarmsForMetric", "cloudwatch")
def describe_alarms_for_metric(ctx: Context, request: Request) -> Response:
    same = [name for name in ("Statistic", "ExtendedStatistic", "Period", "Unit") if name in request]
    names, wanted = ("Namespace", "MetricName"), dimensions(request)

    def watches(record: Record) -> bool:
        if RULE in record.spec or any(record.spec.get(name) != request[name] for name in same):
            return False
        metrics = [query["MetricStat"]["Metric"] for query in queries_of(record.spec) if "MetricStat" in query]
        return any(all(m.get(n) == request[n] for n in names) and dimensions(m) == wanted for m in metrics)

    return {"MetricAlarms": [shown(one) for one in every(ctx.need(Store), ctx.account, ctx.region, watches)]}


@operation("DescribeAlarmHistory", "cloudwatch")
def describe_alarm_history(ctx: Context, request: Request) -> Response:
    """Also of alarms that are gone."""
    names = {"AlarmName": "alarm", "HistoryItemType": "type", "StartDate": "since", "EndDate": "until"}
    wanted: dict[str, Any] = {name: request[member] for member, name in names.items() if member in request}
    wanted["kinds"] = request.get("AlarmTypes", ["MetricAlarm"])
    limit, token = request.get("MaxRecords", HISTORY_PAGE), request.get("NextToken")
    try:
        after = tokens.read("alarm history", token, int)[0] if token else None
    except tokens.BadToken as error:
        raise _bad_token() from error
    newest_first = request.get("ScanBy") != "TimestampAscending"
    scope = (ctx.need(Store), ctx.account, ctx.region, wanted)
    found = history.page(*scope, newest_first=newest_first, after=after, limit=limit + 1)
    answer: Response = {"AlarmHistoryItems": [_item(one) for one in found[:limit]]}
    more = len(found) > limit
    return answer | ({"NextToken": tokens.write("alarm history", found[limit - 1].seq)} if more else {})


@operation("DeleteAlarms", "cloudwatch")
def delete_alarms(ctx: Context, request: Request) -> None:
    """All or none. Raises ResourceNotFound."""
    delete(ctx, request["AlarmNames"])


def delete(ctx: Context, names: list[str]) -> None:
    store = ctx.need(Store)
    with store.write():
        for record in [_find(ctx, name) for name in dict.fromkeys(names)]:
            fresh = store.locked(record.id)
            if fresh is not None:
                store.delete(fresh)
                history.configured(store, fresh, "Delete", fresh.spec)


@operation("SetAlarmState", "cloudwatch")
def set_alarm_state(ctx: Context, request: Request) -> None:
    """For one interval; then the metric says what is so."""
    with edit(ctx, _find(ctx, request["AlarmName"])) as change:
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


@operation("ListTagsForResource", "cloudwatch")
def list_tags(ctx: Context, request: Request) -> Response:
    kept = ctx.need(Store).tags(_tagged(ctx, request).id)
    return {"Tags": [{"Key": key, "Value": value} for key, value in sorted(kept.items())]}


@operation("TagResource", "cloudwatch")
def tag(ctx: Context, request: Request) -> None:
    ctx.need(Store).set_tags(_tagged(ctx, request).id, checked(request["Tags"]))


@operation("UntagResource", "cloudwatch")
def untag(ctx: Context, request: Request) -> None:
    ctx.need(Store).drop_tags(_tagged(ctx, request).id, request["TagKeys"])


def _tagged(ctx: Context, request: Request) -> Record:
    prefix = arn(ctx.account, ctx.region, "")
    given = request["ResourceARN"]
    found = given.startswith(prefix) and get(ctx.need(Store), ctx.account, ctx.region, given.removeprefix(prefix))
    if not found:
        message = f"The resource {given} does not exist."
        raise AwsError(message, code="ResourceNotFoundException", status=404)
    return found


def _find(ctx: Context, name: str) -> Record:
    record = get(ctx.need(Store), ctx.account, ctx.region, name)
    if record is None:
        raise AwsError(f"Alarm {name} does not exist.", code="ResourceNotFound", status=404)
    return record


def _item(item: history.Item) -> Response:
    return {
        "AlarmName": item.alarm,
        "AlarmType": item.kind,
        "Timestamp": item.at,
        "HistoryItemType": item.type,
        "HistorySummary": item.summary,
        "HistoryData": item.data,
    }


def _bad_token() -> AwsError:
    return AwsError("The specified NextToken is invalid.", code="InvalidNextToken", status=400)
