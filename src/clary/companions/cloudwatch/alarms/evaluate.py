"""Whether an alarm's datapoints cross its threshold: M of N, and what missing ones count for. Pure.

AWS's rules are in "Configuring how CloudWatch alarms treat missing data" of its user guide; the tests hold its tables.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
Missing = Literal["missing", "ignore", "breaching", "notBreaching"]

FURTHER = 2
"""Periods looked at beyond EvaluationPeriods, so that a late or lost datapoint need not count as missing."""

COMPARISONS: Mapping[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}
"""By ComparisonOperator: the test, and how a StateReason words it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`needed` of `periods` datapoints must breach."""

    comparison: str
    threshold: float
    periods: int
    needed: int
    missing: Missing = "missing"

    def breaches(self, value: float) -> bool:
        return COMPARISONS[self.comparison][0](value, self.threshold)


@dataclass(frozen=True, slots=True)
class Point:
    """`at` is the start of its period in epoch milliseconds."""

    at: int
    value: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """`state` of None leaves the alarm's as it is. `points` are those that counted, newest first; `filled` is how many
    missing ones were counted as the rule says."""

    state: State | None
    points: tuple[Point, ...] = ()
    filled: int = 0


def judge(rule: Rule, found: Sequence[Point | None]) -> Verdict:
    """`found` is one item for each period looked at, oldest first, None where there is no datapoint."""
    points = tuple([point for point in reversed(found) if point][: rule.periods])
    filled = rule.periods - len(points)
    breaching = sum(rule.breaches(point.value) for point in points)
    if breaching >= rule.needed:
        return Verdict("ALARM", points)
    if not filled:
        return Verdict("OK", points)
    return Verdict(_with_missing(rule, found, len(points), breaching), points, filled)


def _with_missing(rule: Rule, found: Sequence[Point | None], known: int, breaching: int) -> State | None:
    if rule.missing == "breaching":
        return "ALARM" if breaching + rule.periods - known >= rule.needed else "OK"
    if rule.missing == "notBreaching" or known > breaching:
        return "OK"
    if rule.missing == "ignore":
        return None
    if not known:
        return "INSUFFICIENT_DATA"
    # All that is known breaches: it alarms once the oldest is as old as it would be, had none been missing since.
    age = len(found) - next(place for place, point in enumerate(found) if point)
    return "ALARM" if age >= rule.needed else None
