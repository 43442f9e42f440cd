"""Updates played at random: whatever ends, crashes, alarms or is forgotten, what must always hold does."""

import random
from typing import Any

import msgspec
import pytest
from tests.capabilities.endpoints.test_deployment import bluegreen, instances, percent, rolling
from tests.capabilities.endpoints.world import RECORD, STARTUP, fleet, in_service, variant

from clary.capabilities.endpoints import rollout
from clary.capabilities.endpoints.decide import decide
from clary.capabilities.endpoints.fleet import Fleets, load
from clary.capabilities.endpoints.tending import Sight
from clary.capabilities.endpoints.traffic import taking

WAYS: list[dict[str, Any]] = [
    {},
    bluegreen("ALL_AT_ONCE", TerminationWaitInSeconds=30),
    bluegreen("CANARY", 20, CanarySize=percent(20), TerminationWaitInSeconds=10),
    bluegreen("LINEAR", 10, LinearStepSize=instances(1)),
    rolling(percent(25), 10),
    rolling(instances(2), 0, RollbackMaximumBatchSize=instances(1)),
]
ALARM = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]}}
RUNNING = ("InService", "Updating", "RollingBack", "UpdateRollbackFailed")


class Play:
    """Single steps of the controller, which may be killed between storing and acting, and within acting."""

    def __init__(self, dice: random.Random, asked: dict[str, Any]) -> None:
        self.dice, self.count = dice, dice.choice([2, 4, 5])
        self.world = in_service(variant(count=self.count))
        upcoming = msgspec.structs.replace(fleet(variant(count=self.count)), generation=2, config="config-2")
        self.world.fleets = msgspec.structs.replace(
            rollout.begin(self.world.fleets, upcoming, asked, self.world.now), generation=2
        )
        self.world.status = "Updating"

    def step(self) -> None:
        world = self.world
        world.now += self.dice.uniform(0, 3)
        decision = decide(RECORD, world.status, world.fleets, world.sights, world.now, STARTUP, world.alarms)
        if (decision.fleets, decision.status) != (world.fleets, world.status):
            # Through what is stored.
            stored = msgspec.to_builtins(decision.fleets)
            world.fleets, world.status = load({"Fleets": stored}), decision.status
            return
        for name in decision.stop:
            self._maybe(lambda name=name: world.sights.update({name: Sight("ended")}))
        for name in decision.destroy:
            self._maybe(lambda name=name: world.sights.pop(name))
        for name in decision.start:
            self._maybe(lambda name=name: self._start(name))

    def _maybe(self, act: Any) -> None:
        if self.dice.random() < 0.8:
            act()

    def _start(self, name: str) -> None:
        assert name not in self.world.sights, "started twice"
        self.world.sights[name] = Sight("running", started=self.world.now)

    def happen(self, trouble: float) -> None:
        world = self.world
        for name, sight in list(world.sights.items()):
            if sight.presence == "running" and self.dice.random() < 0.5:
                world.sights[name] = msgspec.structs.replace(sight, healthy=True)
            if self.dice.random() < trouble:
                world.sights[name] = Sight("ended", broken="boom")
        world.alarms = ["errors"] if self.dice.random() < trouble else ()

    def check(self) -> None:
        fleets, world = self.world.fleets, self.world
        known = {each.workload for each in fleets.instances} | {each.workload for each in fleets.retired}
        assert set(world.sights) <= known, "something runs that nobody knows"
        self._check_calls(fleets)
        if world.status in ("InService", "Updating"):
            most = sum(count for _, count in rollout.most(fleets))
            assert len(fleets.instances) <= most <= 2 * self.count

    def _check_calls(self, fleets: Fleets) -> None:
        found = taking(fleets)
        assert sum(each.weight for each in found) == pytest.approx(1.0)
        assert sum(each.share for each in found) == pytest.approx(1.0)
        if any(each.ready for one in (fleets.serving, fleets.stranded) if one for each in one.variants):
            takes = [each for each in found if each.variant.taking]
            assert takes or (fleets.next and all(each.share == 1.0 for each in fleets.next.variants))


@pytest.mark.parametrize("asked", WAYS, ids=lambda asked: str(rollout.policy(asked).way))
@pytest.mark.parametrize("alarmed", [False, True])
@pytest.mark.parametrize("trouble", [0.0, 0.01, 0.1])
def test_what_always_holds(asked: dict[str, Any], alarmed: bool, trouble: float) -> None:
    ends = set()
    for seed in range(3):
        play = Play(random.Random(seed), {**asked, **(ALARM if alarmed else {})})
        for _ in range(400):
            play.happen(trouble)
            play.step()
            play.check()
        for _ in range(400):
            play.happen(0.0)
            play.step()
            play.check()
        ends.add(play.world.status)
        assert not play.world.fleets.retired
        assert play.world.fleets.deployment is None
        assert len(play.world.running) == sum(each.target for one in play.world.fleets.present for each in one.variants)
    assert ends <= {"InService", "UpdateRollbackFailed"}
    assert trouble or ends == {"InService"}


def test_it_is_a_play(asked: dict[str, Any] = WAYS[4]) -> None:
    """The play really goes both ways: some updates end with the new fleet, some with the old."""
    generations = set()
    for seed in range(10):
        play = Play(random.Random(seed), {**asked, **ALARM})
        for _ in range(500):
            play.happen(0.02)
            play.step()
        assert play.world.fleets.serving
        generations.add(play.world.fleets.serving.generation)
    assert generations == {1, 2}
