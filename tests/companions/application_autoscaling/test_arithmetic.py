"""How many there should be, as tables."""

from typing import Any

import pytest

from clary.companions.application_autoscaling.arithmetic import (
    adjusted,
    by_steps,
    in_by_tracking,
    out_by_tracking,
    track,
)
from clary.companions.application_autoscaling.decide import Bounds, Choice, Past, Wish, choose


@pytest.mark.parametrize(
    ("capacity", "measured", "target", "wanted"),
    [(2, 100, 50, 4), (2, 51, 50, 3), (4, 10, 50, 1), (3, 1.1, 1.1, 3), (0, 30, 10, 3), (5, 0, 10, 0)],
)
def test_tracking_is_in_proportion(capacity: int, measured: float, target: float, wanted: int) -> None:
    assert track(capacity, measured, target) == wanted


def test_out_follows_the_newest_in_the_highest() -> None:
    assert out_by_tracking(2, [30.0, 10.0], 10.0) == 6
    assert out_by_tracking(4, [5.0, 30.0], 10.0) == 4
    assert in_by_tracking(4, [0.0, 5.0, 2.0], 10.0) == 2
    assert in_by_tracking(4, [0.0, 0.0], 10.0) == 0
    assert in_by_tracking(2, [50.0], 10.0) == 2


STEPS: dict[str, Any] = {
    "AdjustmentType": "ChangeInCapacity",
    "StepAdjustments": [
        {"MetricIntervalUpperBound": -10.0, "ScalingAdjustment": -2},
        {"MetricIntervalLowerBound": -10.0, "MetricIntervalUpperBound": 0.0, "ScalingAdjustment": -1},
        {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 15.0, "ScalingAdjustment": 1},
        {"MetricIntervalLowerBound": 15.0, "ScalingAdjustment": 3},
    ],
}


@pytest.mark.parametrize(
    ("points", "wanted"),
    [([50], 6), ([64.9], 6), ([65], 8), ([100, 60, 60], 8), ([49], 4), ([40], 3), ([30], 3)],
)
def test_steps_by_the_size_of_the_breach(points: list[float], wanted: int) -> None:
    assert by_steps(5, STEPS, points, 50.0) == wanted


def test_steps_by_other_aggregates() -> None:
    points = [100.0, 60.0, 51.0]
    assert by_steps(5, STEPS | {"MetricAggregationType": "Minimum"}, points, 50.0) == 6
    assert by_steps(5, STEPS | {"MetricAggregationType": "Maximum"}, points, 50.0) == 8


def test_no_step_for_this_side() -> None:
    only_above = {**STEPS, "StepAdjustments": STEPS["StepAdjustments"][2:]}
    assert by_steps(5, only_above, [40.0], 50.0) is None


@pytest.mark.parametrize(
    ("config", "adjustment", "wanted"),
    [
        ({"AdjustmentType": "ExactCapacity"}, 7, 7),
        ({"AdjustmentType": "ChangeInCapacity"}, -3, 7),
        ({"AdjustmentType": "PercentChangeInCapacity"}, 25, 12),
        ({"AdjustmentType": "PercentChangeInCapacity"}, 5, 11),
        ({"AdjustmentType": "PercentChangeInCapacity"}, -25, 8),
        ({"AdjustmentType": "PercentChangeInCapacity"}, -5, 9),
        ({"AdjustmentType": "PercentChangeInCapacity", "MinAdjustmentMagnitude": 4}, 10, 14),
        ({"AdjustmentType": "PercentChangeInCapacity"}, 0, 10),
    ],
)
def test_adjustments(config: dict[str, Any], adjustment: int, wanted: int) -> None:
    assert adjusted(10, config, adjustment) == wanted


def wish(capacity: int, direction: Any = "either", from_before: int | None = None, policy: str = "p") -> Wish:
    return Wish(policy, "alarm", capacity, capacity if from_before is None else from_before, 300, direction)


LIMITS = Bounds(1, 10)


def chosen(desired: int, *wishes: Wish, bounds: Bounds = LIMITS, past: Past | None = None, veto: bool = False) -> Any:
    found = choose(desired, wishes, bounds, past, fewer_vetoed=veto)
    return found.capacity if isinstance(found, Choice) else found


def test_the_policy_that_wants_most_decides() -> None:
    assert chosen(2, wish(5, policy="a"), wish(7, policy="b"), wish(1, "fewer")) == 7
    assert chosen(5, wish(2, "fewer"), wish(3, "fewer")) == 3
    assert chosen(5, wish(2), wish(5)) is None


def test_bounds_hold() -> None:
    assert chosen(2, wish(50)) == 10
    assert chosen(10, wish(50)) is None
    assert chosen(5, wish(0, "fewer")) == 1
    assert chosen(1, wish(0, "fewer")) is None
    assert chosen(5, wish(0, "fewer"), bounds=Bounds(0, 10)) == 0


def test_fewer_only_where_nobody_objects() -> None:
    assert chosen(5, wish(2, "fewer"), veto=True) is None
    assert chosen(5, wish(2, "fewer"), bounds=Bounds(1, 10, fewer_suspended=True)) is None
    assert chosen(5, wish(7, "more"), bounds=Bounds(1, 10, more_suspended=True)) is None
    assert chosen(5, wish(7, "more"), veto=True) == 7


def test_cooldowns() -> None:
    after_more, after_fewer = Past(2, 4), Past(6, 4)
    # What the last scaling out brought counts towards what is wanted now.
    assert chosen(4, wish(8, "more", from_before=4), past=after_more) is None
    assert chosen(4, wish(10, "more", from_before=5), past=after_more) == 5
    assert chosen(4, wish(8, "more", from_before=12), past=after_fewer) == 8
    assert chosen(4, wish(2, "fewer"), past=after_more) is None
    assert chosen(4, wish(2, "fewer"), past=after_fewer) is None
