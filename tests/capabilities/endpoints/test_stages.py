"""VariantStatus at each stage of an update, in AWS's words."""

from typing import Any

from tests.capabilities.endpoints.test_deployment import bluegreen, instances, percent, rolling
from tests.capabilities.endpoints.world import RECORD, World, created, fleet, in_service, variant

from clary.capabilities.endpoints import stages
from clary.capabilities.endpoints.tending import DRAIN_SECONDS

ALARMS = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]}}
Said = list[tuple[str, str]]


def said(world: World, now: float | None = None) -> tuple[Said, Said]:
    """Of the old fleet and of the next one."""
    fleets, since = world.fleets, 7.0
    old = [
        stage
        for each in (fleets.serving.variants if fleets.serving else ())
        for stage in stages.serving(RECORD, fleets, each, since)
    ]
    new = [
        stage
        for each in (fleets.next.variants if fleets.next else ())
        for stage in stages.upcoming(fleets, each, since, now or world.now)
    ]
    return _words(old), _words(new)


def _words(found: list[dict[str, Any]]) -> Said:
    return [(each["Status"], each["StatusMessage"]) for each in found]


def test_creating_and_in_service() -> None:
    assert said(created(variant(count=3))) == ([], [("Creating", "Launching 3 instance(s).")])
    assert said(in_service(variant(count=3))) == ([], [])


def test_blue_green() -> None:
    asked = {**bluegreen("CANARY", 30, CanarySize=percent(25), TerminationWaitInSeconds=60), **ALARMS}
    world = in_service(variant(count=4)).update(fleet(variant(count=4), generation=2), asked)
    assert said(world) == ([], [("Creating", "Launching 4 instance(s).")])
    world.healthy()
    assert said(world) == ([], [("ActivatingTraffic", "Activating traffic on canary capacity of 1 instance(s).")])
    baking = "Baking for 30 seconds (WaitIntervalInSeconds) with traffic enabled on canary capacity of 1 instance(s)."
    assert said(world, world.now + 1) == ([], [("Baking", baking)])
    world.settle(30)
    baking = "Baking for 60 seconds (TerminationWaitInSeconds) with traffic enabled on full capacity of 4 instance(s)."
    assert said(world, world.now + 1) == ([], [("Baking", baking)])
    world.alarms = ["errors"]
    world.settle(1)
    assert said(world) == ([], [("Deleting", "Terminating 4 instance(s).")])


def test_rolling() -> None:
    asked = {**rolling(instances(1), 20), **ALARMS}
    world = in_service(variant(count=3)).update(fleet(variant(count=3), generation=2), asked)
    assert said(world) == ([], [("Creating", "Launching 1 instance(s).")])
    world.healthy()
    baking = "Baking for 20 seconds (WaitIntervalInSeconds) with traffic enabled on batch capacity of 1 instance(s)."
    assert said(world, world.now + 1) == ([], [("Baking", baking)])
    world.settle(20)
    launching = ("Updating", "Launching 1 instance(s).")
    assert said(world) == ([("Deleting", "Terminating 1 instance(s).")], [launching])
    world.settle(DRAIN_SECONDS)
    assert said(world) == ([], [launching])
    world.healthy()
    world.alarms = ["errors"]
    world.settle(1)
    assert said(world) == ([launching], [])
    world.healthy()
    assert said(world) == ([], [("Deleting", "Terminating 2 instance(s).")])


def test_capacity() -> None:
    world = in_service(variant(count=1))
    [variant_now] = world.fleets.serving.variants if world.fleets.serving else ()
    more = variant(count=6)
    assert _words(stages.serving(RECORD, world.fleets, more, 7.0)) == [
        ("Updating", "Scaling out desired instance count to 6.")
    ]
    assert stages.serving(RECORD, world.fleets, variant_now, 7.0) == []
