"""How many instances a variant has whose instances follow the copies of inference components."""

from typing import Any

import pytest
from tests.capabilities.endpoints.world import variant

from clary.capabilities.endpoints.components.managed import Bounds, bounds, check, scaled
from clary.wire.errors import NotBuilt, ValidationException

ENABLED: dict[str, Any] = {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 4}
CONSOLIDATING = {**ENABLED, "ScaleInPolicy": {"Strategy": "CONSOLIDATION"}}


def given(scaling: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"VariantName": "v", "InstanceType": "ml.m5.large", "ManagedInstanceScaling": scaling, **more}


def test_bounds_of_a_variant() -> None:
    found = {
        name: bounds(given(scaling), 300.0)
        for name, scaling in {
            "off": {**ENABLED, "Status": "DISABLED"},
            "plain": ENABLED,
            "silent": {"Status": "ENABLED"},
            "consolidating": CONSOLIDATING,
            "none": {**ENABLED, "MinInstanceCount": 0, "ScaleInPolicy": {"Strategy": "IDLE_RELEASE"}},
        }.items()
    }
    assert found == {
        "off": None,
        "plain": Bounds(1, 4, 300.0, None),
        "silent": Bounds(1, None, 300.0, None),
        "consolidating": Bounds(1, 4, 1200.0, 1),
        "none": Bounds(0, 4, 300.0, None),
    }


@pytest.mark.parametrize(("needed", "count"), [(0, 2), (2, 2), (3, 3), (4, 4), (9, 4)])
def test_instances_come_at_once_up_to_the_most(needed: int, count: int) -> None:
    now, _ = scaled(variant(count=2), needed, Bounds(1, 4, 300.0, None), 1000.0)
    assert now.count == count


def test_instances_that_are_empty_go_after_a_while_and_not_if_they_are_needed_again() -> None:
    limits = Bounds(1, 4, 300.0, None)
    spare, wait = scaled(variant(count=4), 2, limits, 1000.0)
    assert (spare.count, spare.spare, wait) == (4, 1000.0, 300.0)
    assert scaled(spare, 4, limits, 1200.0) == (variant(count=4), None)
    assert scaled(spare, 3, limits, 1299.0) == (spare, 1.0)
    assert scaled(spare, 2, limits, 1300.0) == (variant(count=2), None)
    assert scaled(spare, 0, limits, 1300.0) == (variant(count=1), None)
    assert scaled(variant(count=1), 0, limits, 1.0) == (variant(count=1), None)


def test_consolidation_takes_its_time_for_each_step() -> None:
    limits = bounds(given(CONSOLIDATING), 300.0)
    assert limits
    spare, wait = scaled(variant(count=4), 1, limits, 1000.0)
    assert wait == 1200.0
    less, _ = scaled(spare, 1, limits, 2200.0)
    assert (less.count, less.spare) == (3, 0.0)
    assert scaled(less, 1, limits, 2200.0)[1] == 1200.0


def test_what_is_refused() -> None:
    check(given({"Status": "DISABLED"}, ModelName="m"))
    check(given(ENABLED, InitialInstanceCount=4))
    for initial, scaling in (
        (5, ENABLED),
        (1, {**ENABLED, "MinInstanceCount": 2}),
        (3, {**ENABLED, "MaxInstanceCount": 2}),
    ):
        with pytest.raises(ValidationException):
            check(given(scaling, InitialInstanceCount=initial))
    with pytest.raises(NotBuilt):
        check(given(ENABLED, ModelName="m"))
