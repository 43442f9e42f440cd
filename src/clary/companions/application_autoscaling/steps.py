"""What a step scaling configuration may be."""

import math
from itertools import pairwise
from typing import Any

from clary.wire.errors import ValidationException

Spec = dict[str, Any]
MOST_STEPS = 20


def check(config: Spec) -> None:
    """Raises ValidationException."""
    if "AdjustmentType" not in config:
        raise ValidationException("AdjustmentType must be specified for a step scaling policy.")
    steps = config.get("StepAdjustments", [])
    if not steps:
        raise ValidationException("At least one StepAdjustment must be specified.")
    if len(steps) > MOST_STEPS:
        raise ValidationException(f"A step scaling policy can have at most {MOST_STEPS} step adjustments.")
    if "MinAdjustmentMagnitude" in config and config["AdjustmentType"] != "PercentChangeInCapacity":
        raise ValidationException("MinAdjustmentMagnitude can only be used with PercentChangeInCapacity.")
    if config.get("Cooldown", 0) < 0:
        raise ValidationException("Cooldown must not be negative.")
    _check_intervals(sorted(map(_interval, steps)))


def _interval(step: Spec) -> tuple[float, float]:
    lower, upper = step.get("MetricIntervalLowerBound", -math.inf), step.get("MetricIntervalUpperBound", math.inf)
    if not lower < upper:
        raise ValidationException("The lower bound of a step adjustment must be less than its upper bound.")
    return lower, upper


def _check_intervals(intervals: list[tuple[float, float]]) -> None:
    """They follow each other without gap, on either side of the threshold or on both."""
    for (_, upper), (lower, _) in pairwise(intervals):
        if upper > lower:
            raise ValidationException("The intervals of the step adjustments overlap.")
        if upper < lower:
            raise ValidationException("There is a gap between the intervals of the step adjustments.")
    first, last = intervals[0][0], intervals[-1][1]
    if first < 0 and first != -math.inf:
        raise ValidationException("With a negative lower bound there must be a step adjustment without lower bound.")
    if last > 0 and last != math.inf:
        raise ValidationException("With a positive upper bound there must be a step adjustment without upper bound.")
