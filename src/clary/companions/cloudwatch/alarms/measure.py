"""The datapoints that an alarm is judged by, from the store of metrics."""

from typing import Any

from clary.companions.cloudwatch.alarms.evaluate import FURTHER, Point, Rule
from clary.companions.cloudwatch.alarms.kind import RULE
from clary.companions.cloudwatch.queries import Queries
from clary.companions.cloudwatch.store import MetricStore
from clary.resources.records import Record
from clary.resources.store import Store
from clary.wire.context import Parts

Spec = dict[str, Any]

SET_SECONDS = 10
RETURNED = "m"
"""The Id of the one query that an alarm on a single metric is."""


def rule_of(spec: Spec) -> Rule:
    periods: int = spec["EvaluationPeriods"]
    return Rule(
        comparison=spec["ComparisonOperator"],
        threshold=spec["Threshold"],
        periods=periods,
        needed=spec.get("DatapointsToAlarm", periods),
        missing=spec.get("TreatMissingData", "missing"),
    )


def queries_of(spec: Spec) -> list[Spec]:
    """As GetMetricData takes them."""
    if "Metrics" in spec:
        return list(spec["Metrics"])
    metric = {name: spec[name] for name in ("Namespace", "MetricName", "Dimensions") if name in spec}
    unit = {"Unit": spec["Unit"]} if "Unit" in spec else {}
    stat = spec.get("Statistic") or spec["ExtendedStatistic"]
    return [{"Id": RETURNED, "MetricStat": {"Metric": metric, "Period": spec["Period"], "Stat": stat, **unit}}]


def returned(queries: list[Spec]) -> list[Spec]:
    """Those whose result is looked at: an alarm has one."""
    return [query for query in queries if query.get("ReturnData", True)]


def period_of(spec: Spec) -> int:
    """Seconds. Of several metrics the longest counts."""
    if "Period" in spec:
        return int(spec["Period"])
    periods = [query["MetricStat"]["Period"] for query in spec["Metrics"] if "MetricStat" in query]
    periods += [query["Period"] for query in spec["Metrics"] if "Period" in query]
    return max(periods, default=60)


def interval_of(spec: Spec) -> int:
    """Seconds between two evaluations: a minute, or a shorter period. A state that was set holds as long."""
    return SET_SECONDS if RULE in spec else min(period_of(spec), 60)


def measure(metrics: MetricStore, alarm: Record, now: float) -> list[Point | None]:
    """One item for each period looked at, oldest first; the last ends where the current interval began."""
    spec, period, grid = alarm.spec, period_of(alarm.spec), interval_of(alarm.spec)
    end = int(now // grid) * grid
    count = spec["EvaluationPeriods"] + FURTHER
    start = end - count * period
    queries = queries_of(spec)
    asked = Queries(metrics, alarm.account, alarm.region, queries, start, end)
    series = asked.series(returned(queries)[0]["Id"])
    times = range(start * 1000, end * 1000, period * 1000)
    return [Point(at, series[at]) if at in series else None for at in times]


def recent(parts: Parts, alarm: Record) -> list[float]:
    """The values that it is judged by now, newest first."""
    found = measure(parts.need(MetricStore), alarm, parts.need(Store).now())
    known = [point.value for point in reversed(found) if point]
    return known[: alarm.spec["EvaluationPeriods"]]
