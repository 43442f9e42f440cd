"""A small world in which decisions about an endpoint are played through: a dictionary of workloads and a clock."""

from collections.abc import Collection
from typing import Any

import msgspec

from clary.capabilities.endpoints import rollout
from clary.capabilities.endpoints.decide import Decision, decide
from clary.capabilities.endpoints.fleet import Fleet, Fleets, Variant, await_room
from clary.capabilities.endpoints.tending import ATTEMPTS, Sight

RECORD = "r"
STARTUP = 240.0


def variant(name: str = "v", count: int = 1, **production: Any) -> Variant:
    return Variant(
        name=name, weight=1.0, count=count, production={"InstanceType": "ml.m5.large", **production}, model={}
    )


def fleet(*variants: Variant, generation: int = 1) -> Fleet:
    return Fleet(config=f"config-{generation}", generation=generation, variants=variants or (variant(),))


class World:
    """Starts what it is told to; `healthy`, `crash` and the rest change what will be seen next."""

    def __init__(self, fleets: Fleets, status: str = "Creating", room: int = 100) -> None:
        self.room = room
        self.fleets, self.status, self.now = fleets, status, 1000.0
        self.sights: dict[str, Sight] = {}
        self.started: list[str] = []
        self.decision: Decision | None = None
        self.alarms: Collection[str] = ()

    def settle(self, seconds: float = 0.0) -> "World":
        """Decide, store and act until nothing changes any more."""
        self.now += seconds
        for _ in range(50):
            decision = decide(RECORD, self.status, self.fleets, self.sights, self.now, STARTUP, self.alarms)
            self.decision = decision
            if (decision.fleets, decision.status) != (self.fleets, self.status):
                self.fleets, self.status = decision.fleets, decision.status
            elif not self._act(decision):
                return self
        raise AssertionError(f"it never settles: {self.decision}")

    def _act(self, decision: Decision) -> bool:
        for name in decision.stop:
            self.sights[name] = Sight("ended")
        for name in decision.destroy:
            self.sights.pop(name)
        fits = decision.start[: max(0, self.room - len(self.running))]
        for name in fits:
            self.started.append(name)
            self.sights[name] = Sight("running", started=self.now)
        before = self.fleets
        self.fleets = await_room(before, set(decision.start) - set(fits), self.now)
        return bool(fits or decision.stop or decision.destroy or self.fleets != before)

    def healthy(self) -> "World":
        for name, sight in self.sights.items():
            if sight.presence == "running":
                self.sights[name] = msgspec.structs.replace(sight, healthy=True)
        return self.settle()

    def crash(self, why: str = "") -> "World":
        for name in self.sights:
            self.sights[name] = Sight("ended", broken=why)
        return self.settle()

    def spoil(self, names: set[str]) -> "World":
        """Let these and what takes their place crash until the endpoint gives up."""
        sound = set(self.started) - names
        for _ in range(2 * ATTEMPTS):
            for name in set(self.running) - sound:
                self.sights[name] = Sight("ended", broken="boom")
            self.settle(10)
        return self

    def update(self, upcoming: Fleet, asked: dict[str, Any]) -> "World":
        """What UpdateEndpoint stores."""
        generation = self.fleets.generation + 1
        upcoming = msgspec.structs.replace(upcoming, generation=generation)
        begun = rollout.begin(self.fleets, upcoming, asked, self.now)
        self.fleets, self.status = msgspec.structs.replace(begun, generation=generation), "Updating"
        return self.settle()

    @property
    def wait(self) -> float | None:
        assert self.decision
        return self.decision.wait

    @property
    def running(self) -> list[str]:
        return [name for name, sight in self.sights.items() if sight.presence == "running"]

    @property
    def serving(self) -> list[str]:
        assert self.fleets.serving
        return [each.workload for each in self.fleets.serving.instances if each.ready]


def created(*variants: Variant) -> World:
    return World(Fleets(next=fleet(*variants))).settle()


def in_service(*variants: Variant) -> World:
    return created(*variants).healthy()
