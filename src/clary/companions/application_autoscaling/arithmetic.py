"""How many there should be: the arithmetic of target tracking and step scaling. Pure.

AWS describes it in "How target tracking scaling for Application Auto Scaling works" and "How step scaling ... works".
"""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

Step = dict[str, Any]

AGGREGATES: Mapping[str, Callable[[Sequence[float]], float]] = {"Average": fmean, "Minimum": min, "Maximum": max}


def track(capacity: int, measured: float, target: float) -> int:
    """In proportion: the metric is one for each instance, or a use of all of them."""
    # A product like 3 * 1.1 / 1.1 must not be one more than it is.
    return math.ceil(round(max(capacity, 1) * measured / target, 9))


def out_by_tracking(capacity: int, points: Sequence[float], target: float) -> int:
    """`points` newest first; the newest counts."""
    return max(track(capacity, points[0], target), capacity)


def in_by_tracking(capacity: int, points: Sequence[float], target: float) -> int:
    """Careful: what the highest of the datapoints that called for it needs, stays."""
    return min(track(capacity, max(points), target), capacity)


def by_steps(capacity: int, policy: Step, points: Sequence[float], threshold: float) -> int | None:
    """What a step policy makes of a breach; None where no step is for one of this size."""
    size = AGGREGATES[policy.get("MetricAggregationType", "Average")](points) - threshold
    step = next((step for step in policy["StepAdjustments"] if _holds(step, size)), None)
    return None if step is None else adjusted(capacity, policy, step["ScalingAdjustment"])


def _holds(step: Step, size: float) -> bool:
    """Above the threshold the lower bound belongs to a step, below it the upper one."""
    lower, upper = step.get("MetricIntervalLowerBound", -math.inf), step.get("MetricIntervalUpperBound", math.inf)
    return bool(lower <= size < upper if size >= 0 else lower < size <= upper)


def adjusted(capacity: int, policy: Step, adjustment: int) -> int:
    match policy["AdjustmentType"]:
        case "ExactCapacity":
            return adjustment
        case "PercentChangeInCapacity":
            return capacity + _percent(capacity, adjustment, policy.get("MinAdjustmentMagnitude", 1))
        case _:
            return capacity + adjustment


def _percent(capacity: int, percent: int, least: int) -> int:
    """Whole numbers towards zero, but at least one, or the policy's least magnitude."""
    change = int(capacity * percent / 100)
    magnitude = max(abs(change), least, 1) if percent else 0
    return int(math.copysign(magnitude, percent))


def within(capacity: int, least: int, most: int) -> int:
    return max(least, min(most, capacity))
