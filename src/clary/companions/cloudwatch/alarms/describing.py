"""The operations that show alarms and what happened to them."""

from collections.abc import Callable
from typing import Any

from clary.companions import tokens
from clary.companions.cloudwatch.alarms import composite, history
from clary.companions.cloudwatch.alarms.kind import ACTIONS, RULE, every, find, shown, type_of
from clary.companions.cloudwatch.alarms.measure import queries_of
from clary.companions.cloudwatch.putting import dimensions
from clary.companions.cloudwatch.queries import refused
from clary.resources.records import Record
from clary.resources.store import Store
from clary.wire.context import Context
from clary.wire.errors import AwsError
from clary.wire.operations import Request, Response, operation

PAGE = 50
HISTORY_PAGE = 100


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
        below = composite.children(find(ctx, request["ChildrenOfAlarmName"]))
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
