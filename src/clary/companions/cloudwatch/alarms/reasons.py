"""Why an alarm is in its state, in CloudWatch's words: StateReason and StateReasonData."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from clary.companions.cloudwatch.alarms.evaluate import COMPARISONS, Point, Rule, Verdict

INITIAL = "Unchecked: Initial alarm creation"
LONGEST = 1023
FILLED = {"breaching": "[Breaching]", "notBreaching": "[NonBreaching]"}


def reason(rule: Rule, verdict: Verdict, before: str) -> str:
    """`before` is the state that it leaves."""
    state = verdict.state or before
    if state == "INSUFFICIENT_DATA":
        return f"Insufficient Data: {_count(rule.periods)} {_was(rule.periods)} unknown."
    if not verdict.points:
        return (
            f"Threshold Crossed: no datapoints were received for {_plural(rule.periods, 'period')} and "
            f"{_plural(verdict.filled, 'missing datapoint')} {_was(verdict.filled)} treated as "
            f"{FILLED.get(rule.missing, '[Missing]')}."
        )
    return _crossed(rule, verdict, before, state)[:LONGEST]


def _crossed(rule: Rule, verdict: Verdict, before: str, state: str) -> str:
    alarming = state == "ALARM"
    named = [point for point in verdict.points if rule.breaches(point.value) == alarming]
    listed = ", ".join(f"{number(point.value)} ({_moment(point.at)})" for point in named)
    crossing = f"{_was(len(named))} {'' if alarming else 'not '}{COMPARISONS[rule.comparison][1]}"
    threshold = f"the threshold ({number(rule.threshold)})"
    if verdict.filled and rule.missing in FILLED:
        return (
            f"Threshold Crossed: {_count(len(named))} [{listed}] {crossing} {threshold} and "
            f"{_plural(verdict.filled, 'missing datapoint')} {_was(verdict.filled)} treated as {FILLED[rule.missing]}."
        )
    least = rule.needed if alarming else rule.periods - rule.needed + 1
    return (
        f"Threshold Crossed: {len(named)} out of the last {len(verdict.points)} datapoints [{listed}] "
        f"{crossing} {threshold} (minimum {_plural(least, 'datapoint')} for {before} -> {state} transition)."
    )


def reason_data(
    rule: Rule, verdict: Verdict, found: Sequence[Point | None], now: float, stated: dict[str, Any]
) -> dict[str, Any]:
    """`stated` has `period`, and `statistic` and `unit` where the alarm says them."""
    known = [point for point in found if point]
    return {
        "version": "1.0",
        "queryDate": _iso(now * 1000),
        **({"startDate": _iso(known[0].at)} if known else {}),
        **stated,
        "recentDatapoints": [point.value for point in reversed(verdict.points)],
        "threshold": rule.threshold,
        "evaluatedDatapoints": [{"timestamp": _iso(point.at), "value": point.value} for point in verdict.points],
    }


def number(value: float) -> str:
    """As Java writes a double, which is how CloudWatch does: 0.5, 2.147483648E10."""
    if value == 0 or not math.isfinite(value) or 1e-3 <= abs(value) < 1e7:
        return repr(float(value))
    exact = Decimal(repr(value)).normalize()
    digits = "".join(map(str, exact.as_tuple().digits))
    return f"{'-' if value < 0 else ''}{digits[0]}.{digits[1:] or '0'}E{exact.adjusted()}"


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%d/%m/%y %H:%M:%S")


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"


def _count(how_many: int) -> str:
    return _plural(how_many, "datapoint")


def _plural(how_many: int, what: str) -> str:
    return f"{how_many} {what}" + ("" if how_many == 1 else "s")


def _was(how_many: int) -> str:
    return "was" if how_many == 1 else "were"
