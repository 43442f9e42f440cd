"""The operations of CloudWatch metrics."""

import time

from clary.companions import tokens
from clary.companions.cloudwatch import putting
from clary.companions.cloudwatch.queries import MOST_DATA_POINTS, Queries, metric_of, span
from clary.companions.cloudwatch.statistics import invalid, percentile_of, statistic
from clary.companions.cloudwatch.store import Metric, MetricStore, metric_id
from clary.wire.context import Context
from clary.wire.errors import AwsError
from clary.wire.operations import Request, Response, operation

MOST_POINTS = 1440
RECENT_SECONDS = 3 * 3600 + 300
LIST_PAGE = 500


@operation("PutMetricData", "cloudwatch")
def put_metric_data(ctx: Context, request: Request) -> None:
    namespace = request["Namespace"]
    if namespace.startswith("AWS/"):
        raise invalid("The value AWS/ for parameter Namespace is invalid.")
    data = request.get("MetricData", []) + [
        datum for entity in request.get("EntityMetricData", ()) for datum in entity.get("MetricData", ())
    ]
    if not data:
        raise invalid("The parameter MetricData is required.", "MissingParameter")
    found = [pair for datum in data for pair in putting.read(namespace, datum)]
    ctx.need(MetricStore).add(ctx.account, ctx.region, found)


@operation("GetMetricStatistics", "cloudwatch")
def get_metric_statistics(ctx: Context, request: Request) -> Response:
    basic, extended = request.get("Statistics", []), request.get("ExtendedStatistics", [])
    if bool(basic) == bool(extended):
        message = "Exactly one of the parameters Statistics and ExtendedStatistics must be specified."
        raise invalid(message, "InvalidParameterCombination")
    if wrong := [name for name in extended if percentile_of(name) is None]:
        raise invalid(f"The value {wrong[0]} for parameter ExtendedStatistics is not supported.")
    start, end, period = span(request["StartTime"], request["EndTime"], request["Period"])
    points = (end - start) // period
    if points > MOST_POINTS:
        raise invalid(
            f"You have requested up to {points} datapoints, which exceeds the limit of {MOST_POINTS:,}. You may reduce "
            "the datapoints requested by increasing Period, or decreasing the time range.",
            "InvalidParameterCombination",
        )
    store, unit = ctx.need(MetricStore), request.get("Unit")
    series = metric_id(ctx.account, ctx.region, metric_of(request))
    found = []
    for cell in store.cells(series, start, end, period, unit, units=True):
        values = {name: statistic(cell, name, store, series, period, cell.unit) for name in (*basic, *extended)}
        known = {name: value for name, value in values.items() if value is not None}
        if known:
            shown = {"ExtendedStatistics": known} if extended else known
            found.append({"Timestamp": cell.at / 1000, "Unit": cell.unit} | shown)
    return {"Label": request["MetricName"], "Datapoints": found}


@operation("ListMetrics", "cloudwatch")
def list_metrics(ctx: Context, request: Request) -> Response:
    wanted = [(one["Name"], one.get("Value")) for one in request.get("Dimensions", ())]
    since = int((time.time() - RECENT_SECONDS) * 1000) if "RecentlyActive" in request else 0
    after = ""
    if token := request.get("NextToken"):
        try:
            (after,) = tokens.read("metrics", token, str)
        except tokens.BadToken as error:
            raise invalid("The value for parameter NextToken is invalid.") from error
    walk = ctx.need(MetricStore).series(
        ctx.account, ctx.region, request.get("Namespace"), request.get("MetricName"), since, after
    )
    found: list[tuple[str, Metric]] = []
    for position, metric in walk:
        if not _has(metric, wanted):
            continue
        if len(found) == LIST_PAGE:
            return {"Metrics": [_shown(one) for _, one in found], "NextToken": tokens.write("metrics", found[-1][0])}
        found.append((position, metric))
    return {"Metrics": [_shown(one) for _, one in found]}


@operation("GetMetricData", "cloudwatch")
def get_metric_data(ctx: Context, request: Request) -> Response:
    return _Answer(ctx, request).page()


class _Answer:
    """One GetMetricData call."""

    def __init__(self, ctx: Context, request: Request) -> None:
        self._request = request
        span = request["StartTime"], request["EndTime"]
        store = ctx.need(MetricStore)
        self._queries = Queries(store, ctx.account, ctx.region, request["MetricDataQueries"], *span)

    def page(self) -> Response:
        """Results in the order of the queries. A token is the number of datapoints already given."""
        room = min(self._request.get("MaxDatapoints", MOST_DATA_POINTS), MOST_DATA_POINTS)
        skip = self._skip()
        results, given = [], skip
        for query in self._queries.by_id.values():
            if query.get("ReturnData", True) is False:
                continue
            times = sorted(
                self._queries.series(query["Id"]), reverse=self._request.get("ScanBy") != "TimestampAscending"
            )
            shown = times[skip : skip + room]
            if shown or (not times and not skip):
                results.append(self._result(query, shown, len(shown) == len(times) - min(skip, len(times))))
            skip, room, given = max(0, skip - len(times)), room - len(shown), given + len(shown)
            if room == 0:
                break
        more = given < sum(
            len(self._queries.series(query["Id"]))
            for query in self._queries.by_id.values()
            if query.get("ReturnData", True)
        )
        answer: Response = {"MetricDataResults": results, "Messages": []}
        return answer | ({"NextToken": tokens.write("data", given)} if more else {})

    def _skip(self) -> int:
        token = self._request.get("NextToken")
        if not token:
            return 0
        try:
            return max(0, int(tokens.read("data", token, int)[0]))
        except tokens.BadToken as error:
            raise AwsError("The specified NextToken is invalid.", code="InvalidNextToken", status=400) from error

    def _result(self, query: Request, times: list[int], complete: bool) -> Response:
        made = self._queries.series(query["Id"])
        name = query.get("Label") or (
            query["MetricStat"]["Metric"]["MetricName"] if "MetricStat" in query else query["Id"]
        )
        return {
            "Id": query["Id"],
            "Label": name,
            "Timestamps": [at / 1000 for at in times],
            "Values": [made[at] for at in times],
            "StatusCode": "Complete" if complete else "PartialData",
        }


def _has(metric: Metric, wanted: list[tuple[str, str | None]]) -> bool:
    return all(any(name == key and wish in (None, value) for key, value in metric.dimensions) for name, wish in wanted)


def _shown(metric: Metric) -> Response:
    return {
        "Namespace": metric.namespace,
        "MetricName": metric.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions],
    }
