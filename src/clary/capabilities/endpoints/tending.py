"""Keeps the instances of fleets: plans those that are missing, starts, judges, replaces and lets go. Pure.

One `Turn` is one look at an endpoint; `decide.py` makes it, and whatever decides about fleets uses it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from clary.capabilities.endpoints.fleet import Fleet, Instance, Retired, Variant, plan_instance
from clary.capabilities.model_containers.spec import PRIMARY

ATTEMPTS = 3
"""Starts of an instance that was never ready before its fleet is given up."""
STABLE_SECONDS = 300.0
"""Having served this long, an instance that ends is restarted as if for the first time."""
LONGEST_BACKOFF = 60.0
DRAIN_SECONDS = 2.0
"""Longer than any server believes an old route."""
ROOM_SECONDS = 2.0
"""As often as a training job looks whether there is room, so that neither keeps the other from it."""
NO_CAPACITY = (
    "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. "
    "Please retry using a different ML instance type or after some time."
)
"""AWS's words."""

Presence = Literal["absent", "starting", "running", "ended"]


class Sight(msgspec.Struct, frozen=True):
    """One instance, or retired workload, as seen now. `blocked` says why an absent one cannot be started yet, `broken`
    why it never can. An instance is as the least of its containers is, and absent when one of them is."""

    presence: Presence
    healthy: bool = False
    started: float = 0.0
    blocked: str = ""
    broken: str = ""
    container: str = PRIMARY
    """The one that `broken` is about, or that is not healthy."""


Sights = Mapping[str, Sight]


@dataclass(slots=True)
class Turn:
    """What was seen, and what is to be done about it."""

    record_id: str
    seen: Sights
    now: float
    startup: float
    start: list[str] = field(default_factory=list)
    outgoing: list[Retired] = field(default_factory=list)
    message: str = ""
    failure: str = ""

    def tend(self, fleet: Fleet) -> tuple[Fleet, str]:
        """The fleet as it now is, and why it cannot be had; empty while it can."""
        self.failure = ""
        variants = tuple(self._tend_variant(fleet.generation, variant) for variant in fleet.variants)
        return msgspec.structs.replace(fleet, variants=variants), self.failure

    def only_proven(self, fleet: Fleet) -> Fleet:
        """Without the instances that have never been ready, which are let go."""
        kept = []
        for variant in fleet.variants:
            self.let_go((each for each in variant.instances if not each.proven), drain=False)
            instances = tuple(each for each in variant.instances if each.proven)
            kept.append(msgspec.structs.replace(variant, instances=instances))
        return msgspec.structs.replace(fleet, variants=tuple(kept))

    def _tend_variant(self, generation: int, variant: Variant) -> Variant:
        instances = list(variant.instances)
        started = variant.started
        while len(instances) < variant.target:
            instances.append(plan_instance(self.record_id, generation, variant, started, self.now))
            started += 1
        if surplus := len(instances) - variant.target:
            instances.sort(key=lambda instance: not instance.ready)
            self.let_go(instances[-surplus:], drain=True)
            del instances[-surplus:]
        for place, instance in enumerate(instances):
            tended = self._tend_instance(instance, variant)
            if tended is None:
                fresh = plan_instance(self.record_id, generation, variant, started, self.now)
                started += 1
                tended = self._replaced(instance, fresh)
            instances[place] = tended
        return msgspec.structs.replace(variant, instances=tuple(instances), started=started)

    def _tend_instance(self, instance: Instance, variant: Variant) -> Instance | None:
        """The instance as it now is; `None` when its workload is over."""
        sight = self.seen.get(instance.workload, Sight("absent"))
        if instance.waiting and sight.presence != "absent":
            instance = msgspec.structs.replace(instance, waiting=0.0)
        if instance.ready:
            return instance if sight.presence == "running" else None
        if sight.presence == "running" and sight.healthy:
            return msgspec.structs.replace(instance, ready=True, proven=True, since=self.now)
        if sight.presence == "absent":
            return self._begin(instance, variant, sight)
        if sight.presence == "ended":
            return self._failed(instance, variant, sight)
        if sight.started and self.now - sight.started > self._patience(variant):
            return self._failed(instance, variant, sight, final=True)
        return instance

    def _patience(self, variant: Variant) -> float:
        """Seconds that a new instance may wait for room, and then again to become healthy."""
        return variant.production.get("ContainerStartupHealthCheckTimeoutInSeconds") or self.startup

    def _begin(self, instance: Instance, variant: Variant, sight: Sight) -> Instance | None:
        if sight.broken:
            if not instance.proven:
                self.failure = sight.broken
            return instance if not instance.proven else None
        if instance.waiting and not instance.proven and self.now - instance.waiting > self._patience(variant):
            # Given up rather than kept: what it holds may be what another endpoint or job is waiting for.
            self.failure = NO_CAPACITY
        elif sight.blocked:
            self.message = sight.blocked
        elif instance.not_before <= self.now:
            self.start.append(instance.workload)
        return instance

    def _failed(self, instance: Instance, variant: Variant, sight: Sight, final: bool = False) -> Instance | None:
        if not instance.proven and (final or instance.failures + 1 >= ATTEMPTS):
            self.failure = unhealthy(variant.name, sight.broken, sight.container)
            return instance
        return None

    def _replaced(self, old: Instance, fresh: Instance) -> Instance:
        self.outgoing += [Retired(workload=name, stop_at=self.now) for name in old.workloads]
        stable = old.ready and self.now - old.since > STABLE_SECONDS
        failures = 1 if stable else old.failures + 1
        pause = 0.0 if failures == 1 else min(LONGEST_BACKOFF, 2.0 ** (failures - 2))
        return msgspec.structs.replace(fresh, failures=failures, not_before=self.now + pause, proven=old.proven)

    def let_go(self, instances: Iterable[Instance], *, drain: bool) -> None:
        """With `drain`, they are stopped only when no server can still send them calls."""
        stop_at = self.now + (DRAIN_SECONDS if drain else 0.0)
        gone = (name for instance in instances for name in instance.workloads)
        self.outgoing += [Retired(workload=name, stop_at=stop_at) for name in gone]

    def retire(self, retired: tuple[Retired, ...]) -> tuple[tuple[Retired, ...], tuple[str, ...], tuple[str, ...]]:
        """Those that are still there, those to stop, those to destroy. An absent one is forgotten."""
        there = [each for each in retired if self._presence(each.workload) != "absent" or each in self.outgoing]
        stop = [each for each in there if self._presence(each.workload) != "ended" and each.stop_at <= self.now]
        destroy = [each for each in there if self._presence(each.workload) == "ended"]
        return tuple(there), tuple(each.workload for each in stop), tuple(each.workload for each in destroy)

    def _presence(self, workload: str) -> Presence:
        return self.seen.get(workload, Sight("absent")).presence


def unhealthy(variant: str, why: str, container: str = PRIMARY) -> str:
    """AWS's words, and ours for what AWS leaves to the log."""
    reason = (
        f"The {container} container for production variant {variant} did not pass the ping health check. "
        "Please check CloudWatch logs for this endpoint."
    )
    return f"{reason} {why}".strip()[:1024]
