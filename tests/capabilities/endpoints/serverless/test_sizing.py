"""How many instances a serverless variant has: those that are held, were used lately, or are provisioned."""

from typing import Any

import pytest

from clary.capabilities.endpoints.fleet import Fleet, Fleets, Instance, Variant
from clary.capabilities.endpoints.serverless.sizing import LOOK_SECONDS, sized, wanted
from clary.serving.slots import Slot

NOW, IDLE = 1000.0, 300.0
FREE, HELD = Slot(False, 0.0), Slot(True, 990.0)


def used(ago: float) -> Slot:
    return Slot(False, NOW - ago)


def variant(*instances: Instance, most: int = 4, provisioned: int = 0) -> Variant:
    config = {"MemorySizeInMB": 1024, "MaxConcurrency": most, "ProvisionedConcurrency": provisioned}
    model = {"PrimaryContainer": {"Image": "i"}}
    return Variant(
        name="v",
        weight=1.0,
        count=len(instances),
        production={"VariantName": "v", "ServerlessConfig": config},
        model=model,
        instances=instances,
        started=len(instances),
    )


def ready(since: float) -> Instance:
    return Instance(workload="w", ready=True, since=since)


@pytest.mark.parametrize(
    ("slots", "changed", "count", "wait"),
    [
        ([], {}, 0, None),
        ([FREE, FREE], {}, 0, None),
        ([HELD], {}, 1, None),
        ([FREE, HELD], {}, 2, None),
        ([used(10)], {}, 1, 290.0),
        ([HELD, used(10)], {}, 2, 290.0),
        ([used(10), HELD], {}, 2, None),
        ([used(300)], {}, 0, None),
        ([used(10), used(400)], {}, 1, 290.0),
        ([HELD, HELD, HELD, HELD, HELD], {}, 4, None),
        ([], {"provisioned": 2}, 2, None),
        ([HELD], {"provisioned": 2}, 2, None),
        ([used(10)] * 3, {"provisioned": 2}, 3, 290.0),
    ],
)
def test_count(slots: list[Slot], changed: dict[str, Any], count: int, wait: float | None) -> None:
    assert wanted(variant(**changed), slots, NOW, IDLE) == (count, wait)


def test_an_instance_that_came_up_for_nobody_is_kept_for_a_while() -> None:
    assert wanted(variant(ready(NOW - 100)), [], NOW, IDLE) == (1, 200.0)
    assert wanted(variant(ready(NOW - 400)), [], NOW, IDLE) == (0, None)


def test_missing_instances_are_planned_as_proven_and_surplus_ones_are_left_to_decide() -> None:
    fleets = Fleets(serving=Fleet(config="c", generation=3, variants=(variant(ready(NOW)),)))
    grown, wait = sized(fleets, "e", {"v": [HELD, HELD]}, NOW, IDLE)
    assert wait == LOOK_SECONDS
    assert grown.serving
    (found,) = grown.serving.variants
    assert (found.count, found.started, [each.proven for each in found.instances]) == (2, 2, [False, True])
    assert found.instances[1].workload.startswith("e-3-")
    shrunk, _ = sized(grown, "e", {"v": []}, NOW + 400, IDLE)
    assert shrunk.serving
    assert (shrunk.serving.variants[0].count, len(shrunk.serving.variants[0].instances)) == (0, 2)


def test_what_is_not_in_service_or_not_serverless_is_left_alone() -> None:
    upcoming = Fleets(next=Fleet(config="c", generation=1, variants=(variant(),)))
    assert sized(upcoming, "e", {}, NOW, IDLE) == (upcoming, None)
