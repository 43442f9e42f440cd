"""What to do about an endpoint, from what it should be and what is seen. Pure; `reconcile.py` sees and acts.

next fleet whole        -> it serves, the old one is retired
next fleet cannot start -> it is retired; the old one goes on, or the endpoint has failed
serving instance ended  -> its place gets a new workload, later each time
retired instance        -> stopped when no server can still know it, then destroyed
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from clary.capabilities.endpoints.fleet import Fleet, Fleets, Instance, Retired, Variant, plan_instance

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
    """One workload as seen now. `blocked` says why an absent one cannot be started yet, `broken` why it never can."""

    presence: Presence
    healthy: bool = False
    started: float = 0.0
    blocked: str = ""
    broken: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """`fleets` is stored first; the actions are for a fleet that is stored already."""

    fleets: Fleets
    status: str
    message: str = ""
    start: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    destroy: tuple[str, ...] = ()
    wait: float | None = None


Sights = Mapping[str, Sight]


def decide(record_id: str, status: str, fleets: Fleets, seen: Sights, now: float, startup: float) -> Decision:
    """`startup`: seconds an instance has to become healthy where its variant does not say."""
    turn = _Turn(record_id, seen, now, startup)
    if status == "Deleting":
        fleets = turn.abandon(fleets)
    else:
        status, fleets = turn.advance(status, fleets)
    retired, stop, destroy = turn.retire(fleets.retired)
    fleets = msgspec.structs.replace(fleets, retired=retired)
    return Decision(fleets, status, turn.message, tuple(turn.start), stop, destroy, turn.wait(fleets))


@dataclass(slots=True)
class _Turn:
    record_id: str
    seen: Sights
    now: float
    startup: float
    start: list[str] = field(default_factory=list)
    outgoing: list[Retired] = field(default_factory=list)
    message: str = ""
    failure: str = ""

    def advance(self, status: str, fleets: Fleets) -> tuple[str, Fleets]:
        serving = self.tend(fleets.serving) if fleets.serving else None
        status, serving, failure = self._settle_capacity(status, serving, fleets)
        self.failure = ""
        upcoming = self.tend(fleets.next) if fleets.next else None
        if upcoming and self.failure:
            self.let_go(upcoming.instances, drain=False)
            status, upcoming, failure = ("InService" if serving else "Failed"), None, self.failure
        elif upcoming and upcoming.whole:
            self.let_go(serving.instances if serving else (), drain=True)
            status, serving, upcoming, failure = "InService", upcoming, None, ""
        retired = (*fleets.retired, *self.outgoing)
        return status, msgspec.structs.replace(fleets, serving=serving, next=upcoming, retired=retired, failure=failure)

    def _settle_capacity(self, status: str, serving: Fleet | None, fleets: Fleets) -> tuple[str, Fleet | None, str]:
        """A change of instance counts is over when all are ready, or when the new ones do not start."""
        if serving is None or fleets.next or status != "Updating":
            return status, serving, fleets.failure
        if self.failure:
            return "InService", self._only_ready(serving), self.failure
        return ("InService", serving, "") if serving.whole else (status, serving, fleets.failure)

    def _only_ready(self, fleet: Fleet) -> Fleet:
        kept = []
        for variant in fleet.variants:
            unproven = [instance for instance in variant.instances if not instance.proven]
            self.let_go(unproven, drain=False)
            instances = tuple(instance for instance in variant.instances if instance.proven)
            kept.append(msgspec.structs.replace(variant, instances=instances, count=len(instances)))
        return msgspec.structs.replace(fleet, variants=tuple(kept))

    def tend(self, fleet: Fleet) -> Fleet:
        variants = tuple(self._tend_variant(fleet.generation, variant) for variant in fleet.variants)
        return msgspec.structs.replace(fleet, variants=variants)

    def _tend_variant(self, generation: int, variant: Variant) -> Variant:
        instances = list(variant.instances)
        started = variant.started
        while len(instances) < variant.count:
            instances.append(plan_instance(self.record_id, generation, variant.name, started, self.now))
            started += 1
        if surplus := len(instances) - variant.count:
            instances.sort(key=lambda instance: not instance.ready)
            self.let_go(instances[-surplus:], drain=True)
            del instances[-surplus:]
        for place, instance in enumerate(instances):
            tended = self._tend_instance(instance, variant)
            if tended is None:
                fresh = plan_instance(self.record_id, generation, variant.name, started, self.now)
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
            return self._failed(instance, variant, sight.broken)
        if sight.started and self.now - sight.started > self._patience(variant):
            return self._failed(instance, variant, "", final=True)
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

    def _failed(self, instance: Instance, variant: Variant, why: str, final: bool = False) -> Instance | None:
        if not instance.proven and (final or instance.failures + 1 >= ATTEMPTS):
            self.failure = unhealthy(variant.name, why)
            return instance
        return None

    def _replaced(self, old: Instance, fresh: Instance) -> Instance:
        self.outgoing.append(Retired(workload=old.workload, stop_at=self.now))
        stable = old.ready and self.now - old.since > STABLE_SECONDS
        failures = 1 if stable else old.failures + 1
        pause = 0.0 if failures == 1 else min(LONGEST_BACKOFF, 2.0 ** (failures - 2))
        return msgspec.structs.replace(fresh, failures=failures, not_before=self.now + pause, proven=old.proven)

    def let_go(self, instances: tuple[Instance, ...] | list[Instance], *, drain: bool) -> None:
        stop_at = self.now + (DRAIN_SECONDS if drain else 0.0)
        self.outgoing += [Retired(workload=instance.workload, stop_at=stop_at) for instance in instances]

    def abandon(self, fleets: Fleets) -> Fleets:
        for fleet in (fleets.serving, fleets.next):
            self.let_go(fleet.instances if fleet else (), drain=False)
        return msgspec.structs.replace(fleets, serving=None, next=None, retired=(*fleets.retired, *self.outgoing))

    def retire(self, retired: tuple[Retired, ...]) -> tuple[tuple[Retired, ...], tuple[str, ...], tuple[str, ...]]:
        """Those that are still there, those to stop, those to destroy. An absent one is forgotten."""
        there = [each for each in retired if self._presence(each.workload) != "absent" or each in self.outgoing]
        stop = [each for each in there if self._presence(each.workload) != "ended" and each.stop_at <= self.now]
        destroy = [each for each in there if self._presence(each.workload) == "ended"]
        return tuple(there), tuple(each.workload for each in stop), tuple(each.workload for each in destroy)

    def _presence(self, workload: str) -> Presence:
        return self.seen.get(workload, Sight("absent")).presence

    def wait(self, fleets: Fleets) -> float | None:
        """Seconds until something may have changed that nobody tells us."""
        fleet = [instance for each in (fleets.serving, fleets.next) if each for instance in each.instances]
        pending = [instance for instance in fleet if not instance.ready]
        if pending and all(instance.waiting for instance in pending) and not fleets.retired:
            return ROOM_SECONDS
        if pending or fleets.retired:
            return 0.1 if any(self.now - instance.since < 10 for instance in pending) else 0.5
        return 5.0 if fleet else None


def unhealthy(variant: str, why: str) -> str:
    """AWS's words, and ours for what AWS leaves to the log."""
    reason = (
        f"The primary container for production variant {variant} did not pass the ping health check. "
        "Please check CloudWatch logs for this endpoint."
    )
    return f"{reason} {why}".strip()[:1024]
