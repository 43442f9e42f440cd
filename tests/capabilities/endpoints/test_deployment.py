"""How far each step of an update goes, by AWS's DeploymentConfig."""

from typing import Any

import pytest

from clary.capabilities.endpoints.deployment import Reach, batch, kept, peak, policy


def percent(value: int) -> dict[str, Any]:
    return {"Type": "CAPACITY_PERCENT", "Value": value}


def instances(value: int) -> dict[str, Any]:
    return {"Type": "INSTANCE_COUNT", "Value": value}


def bluegreen(way: str, wait: int = 0, **members: Any) -> dict[str, Any]:
    routing = {"Type": way, "WaitIntervalInSeconds": wait}
    routing |= {name: members.pop(name) for name in ("CanarySize", "LinearStepSize") if name in members}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing, **members}}


def rolling(size: dict[str, Any], wait: int = 0, **members: Any) -> dict[str, Any]:
    return {"RollingUpdatePolicy": {"MaximumBatchSize": size, "WaitIntervalInSeconds": wait, **members}}


REACHES: list[tuple[dict[str, Any], int, list[tuple[int, float]]]] = [
    ({}, 3, [(3, 1.0)]),
    (bluegreen("ALL_AT_ONCE"), 3, [(3, 1.0)]),
    (bluegreen("CANARY", CanarySize=percent(30)), 10, [(3, 0.3), (10, 1.0)]),
    (bluegreen("CANARY", CanarySize=percent(10)), 1, [(1, 0.1), (1, 1.0)]),
    (bluegreen("CANARY", CanarySize=instances(1)), 4, [(1, 0.25), (4, 1.0)]),
    (bluegreen("CANARY", CanarySize=percent(10)), 0, [(0, 1.0), (0, 1.0)]),
    (bluegreen("LINEAR", LinearStepSize=percent(50)), 3, [(2, 0.5), (3, 1.0)]),
    (bluegreen("LINEAR", LinearStepSize=percent(33)), 3, [(1, 0.33), (2, 0.66), (3, 0.99), (3, 1.0)]),
    (bluegreen("LINEAR", LinearStepSize=instances(2)), 5, [(2, 0.4), (4, 0.8), (5, 1.0)]),
    (rolling(instances(1)), 3, [(1, 1 / 3), (2, 2 / 3), (3, 1.0)]),
    (rolling(percent(50)), 3, [(1, 1 / 3), (2, 2 / 3), (3, 1.0)]),
    (rolling(percent(50)), 1, [(1, 1.0)]),
    (rolling(percent(50)), 5, [(2, 0.4), (4, 0.8), (5, 1.0)]),
]


@pytest.mark.parametrize(("asked", "count", "reaches"), REACHES)
def test_steps(asked: dict[str, Any], count: int, reaches: list[tuple[int, float]]) -> None:
    chosen = policy(asked)
    steps = chosen.steps([count])
    assert [chosen.reach(step, steps, count) for step in range(1, steps + 1)] == [Reach(*each) for each in reaches]


def test_steps_are_as_many_as_the_largest_variant_needs() -> None:
    chosen = policy(bluegreen("LINEAR", LinearStepSize=instances(1)))
    steps = chosen.steps([2, 3])
    assert (steps, chosen.reach(2, steps, 2), chosen.reach(2, steps, 3)) == (3, Reach(2, 1.0), Reach(2, 2 / 3))


def test_waits() -> None:
    canary = policy(bluegreen("CANARY", 30, CanarySize=percent(10), TerminationWaitInSeconds=60))
    assert ([canary.bake(step, 2) for step in (1, 2)], canary.total_wait([3])) == ([30, 60], 90)
    batches = policy(rolling(percent(50), 30))
    assert ([batches.bake(step, 2) for step in (1, 2)], batches.total_wait([2])) == ([30, 30], 60)
    assert policy({}).total_wait([3]) == 0


def test_alarms_and_limits() -> None:
    alarms = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "a"}, {"AlarmName": "b"}]}}
    chosen = policy({**rolling(percent(50), MaximumExecutionTimeoutInSeconds=600), **alarms})
    assert (chosen.alarms, chosen.timeout, chosen.rolling) == (("a", "b"), 600, True)


@pytest.mark.parametrize(
    ("old", "new", "most"), [(3, 3, 4), (1, 1, 2), (10, 10, 15), (1, 10, 11), (10, 1, 11), (2, 3, 4)]
)
def test_most_instances_of_a_rolling_update(old: int, new: int, most: int) -> None:
    assert peak(policy(rolling(percent(50))), old, new) == most


def test_batches() -> None:
    assert [batch(size, 7) for size in (None, instances(2), percent(50), percent(5))] == [7, 2, 3, 1]
    assert [kept(3, share) for share in (0.0, 1 / 3, 2 / 3, 1.0)] == [3, 2, 1, 0]
