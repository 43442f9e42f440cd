"""PutMetricAlarm: what an alarm may be, in CloudWatch's words where it may not."""

import math
from typing import Any

from clary.companions.cloudwatch.alarms.evaluate import COMPARISONS
from clary.companions.cloudwatch.alarms.kind import ACTIONS
from clary.companions.cloudwatch.alarms.measure import interval_of, period_of, queries_of, returned
from clary.companions.cloudwatch.putting import dimensions
from clary.companions.cloudwatch.queries import Queries, refused
from clary.companions.cloudwatch.statistics import percentile_of
from clary.companions.cloudwatch.store import MetricStore
from clary.wire.context import Context
from clary.wire.errors import NotBuilt

Spec = dict[str, Any]

DAY, WEEK = 86_400, 7 * 86_400
SHORT_PERIODS = (10, 20, 30)
TREATMENTS = ("breaching", "notBreaching", "ignore", "missing")
UNBUILT = {
    "ThresholdMetricId": "Anomaly bands are not measured here: give a Threshold.",
    "EvaluationCriteria": "There is no PromQL here: give MetricName, or Metrics with metric math.",
    "EvaluationInterval": "It is of PromQL: give the Period of a metric.",
    "EvaluationWindow": "Periods are counted back from now: give EvaluationPeriods.",
    "WarmUpConfiguration": "Give TreatMissingData, which says what holds before there is data.",
}
"""By member, what to do instead."""
ONE_METRIC = (
    "MetricName",
    "Namespace",
    "Dimensions",
    "Period",
    "Unit",
    "Statistic",
    "ExtendedStatistic",
)


def check(ctx: Context, spec: Spec) -> None:
    """Raises ValidationError, or NotBuilt for alarms on bands, PromQL and windows of the wall clock."""
    for member, instead in UNBUILT.items():
        if member in spec:
            raise NotBuilt(f"Alarms with {member} are not supported. {instead}")
    _check_metric(spec)
    if "ComparisonOperator" not in spec or "EvaluationPeriods" not in spec:
        raise refused("The parameters ComparisonOperator and EvaluationPeriods are required.")
    if spec["ComparisonOperator"] not in COMPARISONS:
        raise refused(f"ThresholdMetricId is required with the ComparisonOperator {spec['ComparisonOperator']}.")
    if "Threshold" not in spec:
        raise refused("The parameter Threshold is required.")
    if not math.isfinite(spec["Threshold"]):
        raise refused("The parameter Threshold must be a finite number.")
    if wrong := [action for member in ACTIONS.values() for action in spec.get(member, ()) if action[:4] != "arn:"]:
        raise refused(f"Invalid arn syntax: {wrong[0]}")
    if spec.get("TreatMissingData", "missing") not in TREATMENTS:
        raise refused(f"The value {spec['TreatMissingData']} is not a valid treatment of missing data.")
    if spec.get("EvaluateLowSampleCountPercentile", "evaluate") not in ("evaluate", "ignore"):
        raise refused("The parameter EvaluateLowSampleCountPercentile must be 'evaluate' or 'ignore'.")
    if spec.get("EvaluateLowSampleCountPercentile") == "ignore":
        raise NotBuilt("Alarms that ignore percentiles of few samples are not supported.")
    if any(query.get("AccountId", ctx.account) != ctx.account for query in spec.get("Metrics", ())):
        raise NotBuilt("Alarms on metrics of other accounts are not supported.")
    _check_periods(spec)
    _check_queries(ctx, spec)


def _check_metric(spec: Spec) -> None:
    if "Metrics" in spec:
        if given := [member for member in ONE_METRIC if member in spec]:
            raise refused(f"Metrics list cannot be specified with {', '.join(given)}.")
        return
    if missing := [member for member in ("MetricName", "Namespace", "Period") if member not in spec]:
        raise refused(f"The parameters {', '.join(missing)} are required for an alarm on one metric.")
    if ("Statistic" in spec) == ("ExtendedStatistic" in spec):
        raise refused("Exactly one of Statistic or ExtendedStatistic must be specified.")
    if "ExtendedStatistic" in spec and percentile_of(spec["ExtendedStatistic"]) is None:
        raise refused(f"The value {spec['ExtendedStatistic']} for parameter ExtendedStatistic is not supported.")
    dimensions(spec)


def _check_periods(spec: Spec) -> None:
    period, count = period_of(spec), spec["EvaluationPeriods"]
    if period not in SHORT_PERIODS and period % 60:
        raise refused("Period must be 10, 20, 30 or a multiple of 60")
    longest = DAY if period < 3600 else WEEK
    if period * count > longest:
        raise refused(
            f"Metrics cannot be checked across more than {'a day' if longest == DAY else 'seven days'} "
            f"(EvaluationPeriods * Period must be <= {longest})."
        )
    if spec.get("DatapointsToAlarm", count) > count:
        raise refused("DatapointsToAlarm must be less than or equal to EvaluationPeriods.")


def _check_queries(ctx: Context, spec: Spec) -> None:
    """Asked once over nothing, which finds what an expression has wrong."""
    queries = queries_of(spec)
    found = returned(queries)
    if len(found) != 1:
        raise refused("Exactly one element of the metrics list should return data.")
    if len({query["MetricStat"]["Period"] for query in queries if "MetricStat" in query}) > 1:
        raise refused("All metrics of an alarm must have the same period.")
    Queries(ctx.need(MetricStore), ctx.account, ctx.region, queries, 0, interval_of(spec)).series(found[0]["Id"])
