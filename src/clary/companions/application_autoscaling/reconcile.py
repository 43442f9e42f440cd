"""The controller's part: policies look at their alarms, targets at their bounds; both begin activities."""

from clary.companions.application_autoscaling import activities
from clary.companions.application_autoscaling.bounds import ENFORCED
from clary.companions.application_autoscaling.decide import Bounds, Choice, Past, choose
from clary.companions.application_autoscaling.idle import keep_measured
from clary.companions.application_autoscaling.kinds import (
    POLICY,
    TARGET,
    children,
    target_of,
)
from clary.companions.application_autoscaling.scalable import Capacity, Scalable, place_of, scalable_of
from clary.companions.application_autoscaling.wishes import vetoes_fewer, wishes_of
from clary.resources.kinds import Kind
from clary.resources.reconcile import Become, Do, Outcome, Wait
from clary.resources.records import Record
from clary.resources.store import Store
from clary.settings import Settings
from clary.wire.context import Parts
from clary.wire.errors import AwsError

AWAY_SECONDS = 60.0
"""Between two looks for a resource that is not there."""
BUSY_SECONDS = 1.0
KEEP_SECONDS = 42 * 86_400.0


class PolicyReconciler:
    """Nothing is remembered: what its alarms say now, and the target's last activity, decide."""

    kind: Kind = POLICY

    def reconcile(self, record: Record, parts: Parts) -> Outcome:
        store, target = parts.need(Store), target_of(parts.need(Store), record)
        if target is None:
            return Wait()
        scalable = scalable_of(parts, record)
        try:
            capacity = scalable.look(parts, place_of(record))
        except AwsError:
            return Wait(AWAY_SECONDS)
        pause = parts.need(Settings).scaling_period_seconds / 2
        if not capacity.settled or activities.is_busy(store, target):
            return Wait(min(BUSY_SECONDS, pause))
        measured = keep_measured(parts, record, scalable, capacity)
        last = activities.last_of(store, target)
        if last and last.status == "Failed" and store.now() < last.state["EndTime"] + pause:
            return Wait(pause)
        choice, acting = _choice(parts, target, last, capacity)
        if choice is None:
            return Wait(pause if acting or measured else None)
        change = _change(scalable, capacity, choice)
        return Do(lambda: activities.begin(parts, target, change))


def _choice(parts: Parts, target: Record, last: Record | None, capacity: Capacity) -> tuple[Choice | None, bool]:
    """And whether any alarm calls for anything."""
    policies = children(parts.need(Store), POLICY, target)
    before = last.spec["Before"] if last else capacity.desired
    wishes = [wish for policy in policies for wish in wishes_of(parts, policy, capacity.desired, before)]
    if not wishes:
        return None, False
    vetoed = any(vetoes_fewer(parts, policy) for policy in policies)
    past = _past(last, parts.need(Store).now())
    return choose(capacity.desired, wishes, _bounds(target), past, fewer_vetoed=vetoed), True


def _past(last: Record | None, now: float) -> Past | None:
    if last is None or last.status != "Successful" or now >= last.state["EndTime"] + last.spec["Cooldown"]:
        return None
    return Past(last.spec["Before"], last.spec["After"])


def _bounds(target: Record) -> Bounds:
    spec, suspended = target.spec, target.spec["SuspendedState"]
    return Bounds(
        spec["MinCapacity"],
        spec["MaxCapacity"],
        suspended["DynamicScalingOutSuspended"],
        suspended["DynamicScalingInSuspended"],
    )


def _change(scalable: Scalable, capacity: Capacity, choice: Choice) -> activities.Change:
    wish = choice.wish
    cause = f"monitor alarm {wish.alarm} in state ALARM triggered policy {wish.policy}"
    return _setting(scalable, capacity, choice.capacity, cause, wish.cooldown)


def _setting(
    scalable: Scalable, capacity: Capacity, wanted: int, cause: str, cooldown: float = 0.0
) -> activities.Change:
    return activities.Change(capacity.desired, wanted, cause, f"Setting {scalable.word} to {wanted}.", cooldown)


class TargetReconciler:
    """Brings the capacity within bounds that were changed."""

    kind: Kind = TARGET

    def reconcile(self, record: Record, parts: Parts) -> Outcome:
        cause, store = record.state.get(ENFORCED), parts.need(Store)
        if not cause:
            return Wait()
        scalable = scalable_of(parts, record)
        try:
            capacity = scalable.look(parts, place_of(record))
        except AwsError:
            return Become(record.status, state={ENFORCED: ""})
        if activities.is_busy(store, record) or not capacity.settled:
            return Wait(BUSY_SECONDS)
        wanted = max(record.spec["MinCapacity"], min(record.spec["MaxCapacity"], capacity.desired))
        last = activities.last_of(store, record)
        if wanted == capacity.desired or _has_failed(last, cause, wanted):
            return Become(record.status, state={ENFORCED: ""})
        change = _setting(scalable, capacity, wanted, cause)
        return Do(lambda: activities.begin(parts, record, change))


def _has_failed(last: Record | None, cause: str, wanted: int) -> bool:
    """Tried once: the next policy or schedule may find what this one did not."""
    said = (last.status, last.spec["Cause"], last.spec["After"]) if last else None
    return said == ("Failed", cause, wanted)
