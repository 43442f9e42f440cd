"""What is decided about an endpoint: instances, capacity, the simplest update. See `test_rollout.py` for others."""

import msgspec
from tests.capabilities.endpoints.world import STARTUP, World, created, fleet, in_service, variant

from clary.capabilities.endpoints.fleet import Fleets
from clary.capabilities.endpoints.tending import ATTEMPTS, DRAIN_SECONDS, NO_CAPACITY, ROOM_SECONDS, Sight


def test_creating_starts_every_instance_and_waits_for_health() -> None:
    world = created(variant("a", 2), variant("b"))
    assert (world.status, len(world.running), world.fleets.serving) == ("Creating", 3, None)
    world.healthy()
    assert (world.status, sorted(world.serving)) == ("InService", sorted(world.started))
    assert world.fleets.next is None


def test_creating_waits_while_it_cannot_start() -> None:
    world = World(Fleets(next=fleet()))
    world.settle()
    world = World(Fleets(next=world.fleets.next))
    name = world.fleets.next.instances[0].workload if world.fleets.next else ""
    world.sights[name] = Sight("absent", blocked="Building the environment")
    decision = world.settle().decision
    assert decision and (decision.message, world.started, world.status) == ("Building the environment", [], "Creating")


def test_model_that_never_starts_fails_the_endpoint_with_its_words() -> None:
    world = created()
    for _ in range(ATTEMPTS):
        world.crash("no such file")
        world.settle(10)
    assert (world.status, len(world.started), world.sights) == ("Failed", ATTEMPTS, {})
    assert world.fleets.failure == (
        "The primary container for production variant v did not pass the ping health check. "
        "Please check CloudWatch logs for this endpoint. no such file"
    )


def test_missing_model_data_fails_the_endpoint() -> None:
    world = World(Fleets(next=fleet()))
    world.settle()
    world = World(Fleets(next=world.fleets.next))
    assert world.fleets.next
    world.sights[world.fleets.next.instances[0].workload] = Sight("absent", broken="Failed to download model data")
    world.settle()
    assert (world.status, world.fleets.failure) == ("Failed", "Failed to download model data")


def test_unhealthy_for_too_long_fails_the_endpoint() -> None:
    world = created(variant(ContainerStartupHealthCheckTimeoutInSeconds=60)).settle(59)
    assert world.status == "Creating"
    world.settle(2)
    assert (world.status, world.running) == ("Failed", [])


def test_crashed_instance_is_restarted_later_each_time_and_for_ever() -> None:
    world = in_service()
    pauses = []
    for _ in range(5):
        world.crash()
        assert (world.status, world.serving) == ("InService", [])
        before = world.now
        while not world.running:
            world.settle(0.5)
        pauses.append(world.now - before)
        world.healthy()
    assert pauses == [0, 1, 2, 4, 8]
    assert len(set(world.started)) == 6


def test_instance_that_served_for_long_restarts_at_once() -> None:
    world = in_service()
    world.crash().healthy()
    world.settle(301)
    world.crash()
    assert len(world.running) == 1


def test_everything_gone_after_a_restart_of_the_machine_comes_back() -> None:
    world = in_service(variant("a", 2), variant("b"))
    world.sights.clear()
    world.settle()
    assert (world.status, len(world.running)) == ("InService", 3)


def updating() -> World:
    world = in_service()
    world.fleets = msgspec.structs.replace(world.fleets, next=fleet(generation=2), generation=2)
    world.status = "Updating"
    return world.settle()


def test_update_serves_the_old_fleet_until_the_new_is_healthy_and_drains_it() -> None:
    world = updating()
    old, new = world.started
    assert (world.serving, sorted(world.running)) == ([old], sorted([old, new]))
    world.healthy()
    assert (world.status, world.serving) == ("InService", [new])
    world.settle(DRAIN_SECONDS - 0.1)
    assert old in world.running
    world.settle(0.2)
    assert (list(world.sights), world.fleets.retired) == ([new], ())


def test_update_that_fails_keeps_the_old_fleet_and_says_why() -> None:
    world = updating()
    old = world.serving
    world.spoil(set(world.started) - set(old))
    assert (world.status, world.serving, list(world.sights)) == ("InService", old, old)
    assert world.fleets.failure.endswith("boom")


def test_more_instances_are_added_and_fewer_are_drained() -> None:
    world = in_service(variant(count=1))
    for count in (3, 1):
        assert world.fleets.serving
        resized = msgspec.structs.replace(world.fleets.serving.variants[0], count=count)
        serving = msgspec.structs.replace(world.fleets.serving, variants=(resized,))
        world.fleets, world.status = msgspec.structs.replace(world.fleets, serving=serving), "Updating"
        world.settle().healthy()
        assert (world.status, len(world.serving)) == ("InService", count)
    world.settle(DRAIN_SECONDS)
    assert len(world.running) == 1


def test_instances_that_do_not_start_end_a_change_of_capacity() -> None:
    world = in_service(variant(count=1))
    first = world.serving
    assert world.fleets.serving
    resized = msgspec.structs.replace(world.fleets.serving.variants[0], count=2)
    serving = msgspec.structs.replace(world.fleets.serving, variants=(resized,))
    world.fleets, world.status = msgspec.structs.replace(world.fleets, serving=serving), "Updating"
    world.settle()
    world.spoil(set(world.started) - set(first))
    assert (world.status, world.serving, world.running) == ("InService", first, first)


def test_change_of_capacity_that_half_fails_goes_back_to_what_was() -> None:
    world = in_service(variant(count=2))
    first = world.serving
    assert world.fleets.serving
    resized = msgspec.structs.replace(world.fleets.serving.variants[0], count=4, weight=7.0, before=(2, 1.0))
    serving = msgspec.structs.replace(world.fleets.serving, variants=(resized,))
    world.fleets, world.status = msgspec.structs.replace(world.fleets, serving=serving), "Updating"
    third = world.settle().started[2]
    world.sights[third] = msgspec.structs.replace(world.sights[third], healthy=True)
    world.settle().spoil({world.started[3]})
    world.settle(DRAIN_SECONDS).settle()
    assert (world.status, world.serving, world.running) == ("InService", first, first)
    assert world.fleets.failure.endswith("boom")
    [after] = world.fleets.serving.variants if world.fleets.serving else ()
    assert (after.count, after.weight, after.before) == (2, 1.0, None)


def test_deleting_stops_and_destroys_everything() -> None:
    world = in_service(variant("a", 2))
    world.status = "Deleting"
    world.settle()
    assert (world.sights, world.fleets.retired, world.fleets.serving) == ({}, (), None)


def test_a_healthy_endpoint_is_left_alone() -> None:
    world = in_service()
    decision = world.decision
    assert decision and (decision.start, decision.stop, decision.destroy, decision.wait) == ((), (), (), 5.0)


def test_new_instance_that_finds_no_room_gives_up_after_its_patience() -> None:
    world = World(Fleets(next=fleet(variant(count=2))), room=1).settle()
    assert (world.status, len(world.running), world.wait) == ("Creating", 1, 0.1)
    world.healthy().settle(STARTUP - 1)
    assert (world.status, world.wait) == ("Creating", ROOM_SECONDS)
    world.settle(2)
    assert (world.status, world.fleets.failure, world.sights) == ("Failed", NO_CAPACITY, {})


def test_update_without_room_for_both_fleets_ends_with_the_old_one_serving() -> None:
    world = in_service()
    world.room = 1
    world.fleets = msgspec.structs.replace(world.fleets, next=fleet(generation=2), generation=2)
    world.status, old = "Updating", world.serving
    world.settle().settle(STARTUP + 1)
    assert (world.status, world.serving, world.fleets.failure) == ("InService", old, NO_CAPACITY)


def test_room_that_comes_in_time_is_used() -> None:
    world = World(Fleets(next=fleet()), room=0).settle().settle(STARTUP - 1)
    world.room = 1
    world.settle()
    assert world.wait == 0.5
    assert world.settle(2).healthy().status == "InService"


def test_place_that_has_served_waits_for_room_for_ever() -> None:
    world = in_service()
    world.room = 0
    world.crash().settle(100 * STARTUP)
    assert (world.status, world.serving, world.wait) == ("InService", [], ROOM_SECONDS)
    world.room = 1
    assert len(world.settle().running) == 1
