"""Updates and their rollbacks, step by step: what runs, and where calls go."""

from typing import Any

from tests.capabilities.endpoints.test_deployment import bluegreen, instances, percent, rolling
from tests.capabilities.endpoints.world import STARTUP, World, fleet, in_service, variant

from clary.capabilities.endpoints import rollout
from clary.capabilities.endpoints.tending import ATTEMPTS, DRAIN_SECONDS, NO_CAPACITY
from clary.capabilities.endpoints.traffic import taking

ALARMS: dict[str, Any] = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]}}
TRIPPED = "The deployment was rolled back because one or more alarms went into ALARM state: [errors]."


def split(world: World) -> dict[str, tuple[int, float]]:
    """By configuration: instances that take calls, and the part that they take."""
    found = taking(world.fleets)
    total = sum(each.weight for each in found)
    return {each.config: (len(each.variant.taking), round(each.weight / total, 3)) for each in found}


def updating(count: int, asked: dict[str, Any]) -> World:
    """An endpoint in service, with an update whose first instances are healthy."""
    return in_service(variant(count=count)).update(fleet(variant(count=count), generation=2), asked).healthy()


def test_canary_shifts_twice_and_ends_the_old_fleet_after_the_last_wait() -> None:
    world = updating(4, bluegreen("CANARY", 30, CanarySize=percent(25), TerminationWaitInSeconds=60))
    assert (world.status, split(world)) == ("Updating", {"config-1": (4, 0.75), "config-2": (1, 0.25)})
    assert world.settle(29).wait == 1.0
    assert split(world)["config-2"] == (1, 0.25)
    world.settle(1)
    assert (world.status, split(world), len(world.running)) == ("Updating", {"config-2": (4, 1.0)}, 8)
    world.settle(60)
    assert (world.status, split(world), world.fleets.deployment) == ("InService", {"": (4, 1.0)}, None)
    world.settle(DRAIN_SECONDS)
    assert len(world.running) == 4


def test_linear_shifts_by_equal_parts() -> None:
    world = updating(4, bluegreen("LINEAR", 10, LinearStepSize=instances(1)))
    shares = []
    while world.status == "Updating":
        shares.append(split(world)["config-2"])
        world.settle(10)
    assert shares == [(1, 0.25), (2, 0.5), (3, 0.75)]
    assert (world.status, split(world)) == ("InService", {"": (4, 1.0)})


def test_all_at_once_with_a_wait_can_still_go_back() -> None:
    world = updating(2, {**bluegreen("ALL_AT_ONCE", TerminationWaitInSeconds=60), **ALARMS})
    assert (world.status, split(world)) == ("Updating", {"config-2": (2, 1.0)})
    world.alarms = ["errors"]
    world.settle(1)
    assert (world.status, split(world)) == ("RollingBack", {"config-1": (2, 1.0)})
    assert len(world.running) == 4
    world.alarms = ()
    world.settle(DRAIN_SECONDS)
    assert (world.status, world.fleets.failure, len(world.running)) == ("InService", TRIPPED, 2)
    assert (split(world), world.fleets.deployment, world.fleets.next) == ({"": (2, 1.0)}, None, None)


def test_alarms_count_only_while_the_new_fleet_has_calls() -> None:
    world = in_service(variant(count=2))
    world.alarms = ["errors"]
    world.update(fleet(generation=2), {**bluegreen("ALL_AT_ONCE", TerminationWaitInSeconds=60), **ALARMS})
    assert world.status == "Updating"
    world.alarms = ()
    world.healthy().settle(60)
    assert (world.status, world.fleets.failure) == ("InService", "")


def test_alarms_are_looked_at_once_even_without_a_wait() -> None:
    world = in_service().update(fleet(generation=2), ALARMS)
    world.alarms = ["errors"]
    world.healthy()
    assert (world.status, split(world)) == ("RollingBack", {"config-1": (1, 1.0)})


def test_variants_that_differ_are_shifted_by_weight() -> None:
    old, new = (variant("a", 2), variant("b", 2)), (variant("a", 2), variant("b", 2))
    world = in_service(*old).update(fleet(*new, generation=2), bluegreen("CANARY", 30, CanarySize=percent(50)))
    world.healthy()
    shares = {(each.variant.name, each.config): (each.weight, each.share) for each in taking(world.fleets)}
    assert shares == {(name, config): (0.25, 0.5) for name in ("a", "b") for config in ("config-1", "config-2")}


def test_calls_of_a_canary_that_is_down_go_to_the_old_fleet() -> None:
    world = updating(2, bluegreen("CANARY", 30, CanarySize=percent(50)))
    for name in set(world.running) - set(world.serving):
        world.sights[name] = world.sights[name].__class__("ended")
    world.settle()
    assert split(world) == {"config-1": (2, 1.0)}
    world.healthy()
    assert split(world) == {"config-1": (2, 0.5), "config-2": (1, 0.5)}


def test_rolling_replaces_one_batch_after_another_with_one_batch_more_than_before() -> None:
    world = in_service(variant(count=4)).update(fleet(variant(count=4), generation=2), rolling(percent(50), 20))
    assert len(world.running) == 6
    world.healthy()
    assert split(world) == {"config-1": (4, 0.5), "config-2": (2, 0.5)}
    world.settle(20)
    assert (world.status, split(world)) == ("Updating", {"config-1": (2, 0.5), "config-2": (2, 0.5)})
    world.settle(DRAIN_SECONDS)
    assert len(world.running) == 6
    world.healthy()
    assert split(world) == {"config-2": (4, 1.0)}
    world.settle(20).settle(DRAIN_SECONDS)
    assert (world.status, split(world), len(world.running)) == ("InService", {"": (4, 1.0)}, 4)
    assert rollout.most(world.fleets) == [("ml.m5.large", 4)]


def test_rolling_in_little_room_waits_for_the_old_instances_to_end() -> None:
    world = in_service(variant(count=2))
    world.room = 3
    world.update(fleet(variant(count=2), generation=2), rolling(percent(50)))
    assert rollout.most(world.fleets) == [("ml.m5.large", 3)]
    for _ in range(10):
        world.healthy().settle(1)
    assert (world.status, split(world), len(world.running)) == ("InService", {"": (2, 1.0)}, 2)


def halfway(back: dict[str, Any] | None = None) -> World:
    """A rolling update whose second of two batches bakes: the old fleet has half its instances left."""
    more = {"RollbackMaximumBatchSize": back} if back else {}
    world = updating(4, {**rolling(percent(25), 20, **more), **ALARMS})
    for _ in range(2):
        world.settle(20).settle(DRAIN_SECONDS).healthy()
    assert split(world) == {"config-1": (2, 0.25), "config-2": (3, 0.75)}
    return world


def test_rolling_back_brings_the_old_fleet_back_whole_before_it_gets_its_calls() -> None:
    world = halfway()
    world.alarms = ["errors"]
    world.settle(1)
    assert (world.status, split(world)) == ("RollingBack", {"config-1": (2, 0.25), "config-2": (3, 0.75)})
    assert len(world.running) == 7
    world.healthy()
    assert split(world) == {"config-1": (4, 1.0)}
    world.settle(DRAIN_SECONDS)
    assert (world.status, world.fleets.failure, split(world)) == ("InService", TRIPPED, {"": (4, 1.0)})
    assert len(world.running) == 4


def test_rolling_back_goes_by_batches_where_it_is_told_to() -> None:
    world = halfway(back=instances(1))
    world.alarms = ["errors"]
    world.settle(1).healthy()
    assert (world.status, split(world)) == ("RollingBack", {"config-1": (3, 0.75), "config-2": (1, 0.25)})
    world.settle(DRAIN_SECONDS).healthy()
    assert split(world) == {"config-1": (4, 1.0)}
    world.settle(DRAIN_SECONDS).settle()
    assert (world.status, split(world), len(world.running)) == ("InService", {"": (4, 1.0)}, 4)


def stranded() -> World:
    """A rollback that finds no room for the old fleet."""
    world = halfway()
    world.alarms, world.room = ["errors"], len(world.running)
    world.settle(1).settle(STARTUP + 1)
    return world


def test_rollback_that_fails_leaves_both_fleets_serving() -> None:
    world = stranded()
    assert (world.status, world.fleets.failure) == (
        "UpdateRollbackFailed",
        f"{TRIPPED} The rollback failed: {NO_CAPACITY}",
    )
    assert split(world) == {"config-1": (2, 0.5), "config-2": (3, 0.5)}
    world.settle(1000)
    assert (world.status, len(world.running)) == ("UpdateRollbackFailed", 5)


def test_update_after_a_failed_rollback_takes_over_from_both_fleets() -> None:
    world = stranded()
    world.alarms, world.room = (), 100
    world.update(fleet(variant(count=4), generation=3), bluegreen("CANARY", 30, CanarySize=percent(50))).healthy()
    assert split(world) == {"config-1": (2, 0.25), "config-2": (3, 0.25), "config-3": (2, 0.5)}
    world.settle(30).settle(DRAIN_SECONDS)
    assert (world.status, split(world), world.fleets.stranded) == ("InService", {"": (4, 1.0)}, None)
    assert len(world.running) == 4


def test_update_that_fails_after_a_failed_rollback_leaves_what_was() -> None:
    world = stranded()
    world.alarms, world.room = (), 100
    before = world.running
    world.update(fleet(variant(count=1), generation=3), {})
    world.spoil(set(world.running) - set(before))
    assert (world.status, sorted(world.running)) == ("UpdateRollbackFailed", sorted(before))
    assert split(world) == {"config-1": (2, 0.5), "config-2": (3, 0.5)}


def test_batch_that_does_not_start_rolls_back() -> None:
    world = updating(4, rolling(percent(25), 20))
    sound = list(world.running)
    world.settle(20)
    world.spoil(set(world.running) - set(sound))
    assert (world.status, split(world)) == ("RollingBack", {"config-1": (3, 0.75), "config-2": (1, 0.25)})
    world.settle(10).healthy().settle(DRAIN_SECONDS)
    assert (world.status, split(world)) == ("InService", {"": (4, 1.0)})
    assert "did not pass the ping health check" in world.fleets.failure


def test_canary_that_never_starts_ends_the_update_at_once() -> None:
    world = in_service(variant(count=2))
    old = list(world.running)
    world.update(fleet(variant(count=2), generation=2), bluegreen("CANARY", 30, CanarySize=percent(50)))
    world.spoil(set(world.running) - set(old))
    assert (world.status, sorted(world.running), world.fleets.deployment) == ("InService", sorted(old), None)


def test_update_that_takes_too_long_rolls_back() -> None:
    asked = bluegreen("CANARY", 3000, CanarySize=percent(50), MaximumExecutionTimeoutInSeconds=600)
    world = updating(2, asked).settle(600)
    assert world.status == "Updating"
    world.settle(1).settle(DRAIN_SECONDS)
    assert (world.status, len(world.running)) == ("InService", 2)
    assert "MaximumExecutionTimeoutInSeconds (600 seconds)" in world.fleets.failure


def test_instance_that_crashes_during_an_update_is_replaced() -> None:
    world = updating(2, bluegreen("CANARY", 30, CanarySize=percent(50)))
    world.crash().healthy()
    assert (world.status, len(world.running), split(world)["config-1"]) == ("Updating", 4, (2, 0.5))
    assert len(world.started) == 8


def test_deleting_during_a_failed_rollback_ends_everything() -> None:
    world = stranded()
    world.status = "Deleting"
    world.settle()
    assert (world.sights, world.fleets.present) == ({}, ())


def test_attempts_are_not_shared_by_the_batches() -> None:
    world = updating(2, rolling(percent(50), 20))
    world.settle(20)
    for _ in range(ATTEMPTS - 1):
        for name in set(world.running) - set(world.serving):
            if not world.sights[name].healthy:
                world.sights[name] = world.sights[name].__class__("ended")
        world.settle(10)
    assert world.status == "Updating"
