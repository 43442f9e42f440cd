"""How an update goes: AWS's DeploymentConfig as numbers. Pure; `rollout.py` and `rollback.py` walk the steps.

A step turns on traffic on some instances of the new fleet, `Reach`. Between steps the endpoint bakes: its alarms are
watched. A rolling update brings up the instances of a step only then, and ends as many of the old fleet after it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import msgspec

Size = dict[str, Any]
"""A CapacitySize."""
Way = Literal["ALL_AT_ONCE", "CANARY", "LINEAR", "ROLLING"]


class Deployment(msgspec.Struct, kw_only=True, frozen=True):
    """An update under way, as the endpoint's record keeps it."""

    asked: dict[str, Any] = {}
    """Its DeploymentConfig."""
    started: float
    stage: Literal["launching", "baking", "returning"] = "launching"
    step: int = 0
    """Steps taken."""
    since: float
    """When the stage, or within it the last step, began."""
    shifted: float = 0.0
    """When the first step was taken."""
    reason: str = ""
    """Why it is rolled back."""


# Prepared while one thread imports: msgspec does it at the first use of a class, and crashes if two threads are first.
msgspec.json.Decoder(Deployment)


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a step goes in one variant: so many instances take this part of the variant's calls."""

    active: int
    share: float


@dataclass(frozen=True, slots=True)
class Policy:
    """A DeploymentConfig with AWS's defaults. Times are seconds."""

    way: Way
    size: Size | None
    wait: float
    termination_wait: float
    timeout: float | None
    alarms: tuple[str, ...]
    back: Size | None
    """Instances of the old fleet that a rollback of a rolling update brings back at a time; `None`: all."""

    @property
    def rolling(self) -> bool:
        return self.way == "ROLLING"

    def steps(self, counts: Sequence[int]) -> int:
        """Steps until all instances of variants of these counts take all calls."""
        if self.way in ("ALL_AT_ONCE", "CANARY"):
            return 2 if self.way == "CANARY" else 1
        return max((self._steps(count) for count in counts), default=1)

    def _steps(self, count: int) -> int:
        assert self.size
        if self.size["Type"] == "CAPACITY_PERCENT" and not self.rolling:
            return math.ceil(100 / int(self.size["Value"]))
        return max(1, math.ceil(count / batch(self.size, count)))

    def reach(self, step: int, steps: int, count: int) -> Reach:
        """After `step` of `steps`, in a variant of `count` instances."""
        if step >= steps or not self.size or not count:
            return Reach(count, 1.0)
        if self.size["Type"] == "CAPACITY_PERCENT" and not self.rolling:
            share = min(1.0, step * self.size["Value"] / 100)
            return Reach(math.ceil(round(count * share, 6)), share)
        active = min(count, step * batch(self.size, count))
        return Reach(active, active / count)

    def bake(self, step: int, steps: int) -> float:
        """Seconds after this step; after the last one of a blue/green update, until the old fleet ends."""
        return self.wait if step < steps or self.rolling else self.termination_wait

    def total_wait(self, counts: Sequence[int]) -> float:
        steps = self.steps(counts)
        return sum(self.bake(step, steps) for step in range(1, steps + 1))


def policy(asked: dict[str, Any]) -> Policy:
    alarms = tuple(each["AlarmName"] for each in asked.get("AutoRollbackConfiguration", {}).get("Alarms", []))
    if rolling := asked.get("RollingUpdatePolicy"):
        return Policy(
            way="ROLLING",
            size=rolling["MaximumBatchSize"],
            wait=rolling["WaitIntervalInSeconds"],
            termination_wait=0.0,
            timeout=rolling.get("MaximumExecutionTimeoutInSeconds"),
            alarms=alarms,
            back=rolling.get("RollbackMaximumBatchSize"),
        )
    bluegreen = asked.get("BlueGreenUpdatePolicy", {})
    routing = bluegreen.get("TrafficRoutingConfiguration", {})
    return Policy(
        way=routing.get("Type", "ALL_AT_ONCE"),
        size=routing.get("CanarySize") or routing.get("LinearStepSize"),
        wait=routing.get("WaitIntervalInSeconds", 0),
        termination_wait=bluegreen.get("TerminationWaitInSeconds", 0),
        timeout=bluegreen.get("MaximumExecutionTimeoutInSeconds"),
        alarms=alarms,
        back=None,
    )


def batch(size: Size | None, count: int) -> int:
    """Instances of a batch of at most this size, and at least one; all without a size."""
    if size is None:
        return max(1, count)
    if size["Type"] == "INSTANCE_COUNT":
        return max(1, int(size["Value"]))
    return max(1, math.floor(count * int(size["Value"]) / 100))


def kept(count: int, share: float) -> int:
    """How many of `count` instances a rolling update keeps when the other fleet takes `share` of the calls."""
    return math.ceil(round(count * (1 - share), 6))


def peak(chosen: Policy, old: int, new: int) -> int:
    """The most instances of a variant that a rolling update from `old` to `new` has at once."""
    steps = chosen.steps([new])
    reaches = [Reach(0, 0.0), *(chosen.reach(step, steps, new) for step in range(1, steps + 1))]
    return max(after.active + kept(old, before.share) for before, after in pairwise(reaches))
