"""PutMetricData: what a datum says, and which ones CloudWatch turns away."""

import math
import time
from collections.abc import Iterator
from itertools import chain
from typing import Any

from clary.companions.cloudwatch.statistics import invalid
from clary.companions.cloudwatch.store import Metric, Sample

Datum = dict[str, Any]

LARGEST = 2.0**360
PAST, FUTURE = 14 * 86_400, 2 * 3_600
MOST_DIMENSIONS = 30


def read(namespace: str, datum: Datum) -> Iterator[tuple[Metric, Sample]]:
    """The samples of one datum. Raises InvalidParameterValue, InvalidParameterCombination, MissingParameter."""
    metric = Metric(namespace, datum["MetricName"], dimensions(datum))
    if not all(map(str.isprintable, (namespace, metric.name, *chain(*metric.dimensions)))):
        raise invalid("The names and dimensions of a metric must be printable.")
    at = datum.get("Timestamp", time.time())
    if not time.time() - PAST <= at <= time.time() + FUTURE:
        raise invalid("The parameter MetricData.member.1.Timestamp must specify a time within the past two weeks.")
    unit = datum.get("Unit", "None")
    for count, total, low, high in _numbers(datum):
        if not all(math.isfinite(value) and abs(value) <= LARGEST for value in (count, total, low, high)):
            raise invalid("The value for parameter MetricData.member.1.Value is invalid.")
        if count:
            yield metric, Sample(int(at * 1000), unit, count, total, low, high)


def dimensions(of: Datum) -> tuple[tuple[str, str], ...]:
    """Sorted, as a series is known by them."""
    found = {dimension["Name"]: dimension["Value"] for dimension in of.get("Dimensions", ())}
    if len(found) > MOST_DIMENSIONS or len(found) != len(of.get("Dimensions", ())):
        raise invalid("The parameter Dimensions has too many members, or one name twice.")
    return tuple(sorted(found.items()))


def _numbers(datum: Datum) -> Iterator[tuple[float, float, float, float]]:
    """(count, total, low, high) of each sample in a datum."""
    given = [member for member in ("Value", "Values", "StatisticValues") if member in datum]
    if not given:
        raise invalid("The parameter MetricData.member.1.Value is required.", "MissingParameter")
    if len(given) > 1:
        raise invalid(
            f"The parameters {' and '.join(given)} are mutually exclusive and you have specified both.",
            "InvalidParameterCombination",
        )
    if "Value" in datum:
        yield 1.0, datum["Value"], datum["Value"], datum["Value"]
    elif "Values" in datum:
        yield from _counted(datum["Values"], datum.get("Counts"))
    else:
        known = datum["StatisticValues"]
        if known["Minimum"] > known["Maximum"] or known["SampleCount"] < 0:
            raise invalid("The parameter MetricData.member.1.StatisticValues is not consistent.")
        yield known["SampleCount"], known["Sum"], known["Minimum"], known["Maximum"]


def _counted(values: list[float], counts: list[float] | None) -> Iterator[tuple[float, float, float, float]]:
    counts = [1.0] * len(values) if counts is None else counts
    if len(values) != len(counts) or len(values) > 150 or any(count < 0 for count in counts):
        raise invalid("The parameters MetricData.member.1.Values and MetricData.member.1.Counts must match.")
    for value, count in zip(values, counts, strict=True):
        yield count, value * count, value, value
