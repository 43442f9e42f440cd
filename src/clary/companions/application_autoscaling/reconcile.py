"""The controller's part: policies look at their alarms, schedules at the clock, activities at what they changed."""

from typing import Any

from clary.companions.application_autoscaling import activities
from clary.companions.application_autoscaling.bounds import ENFORCED, enforce
from clary.companions.application_autoscaling.decide import Bounds, Choice, Past, choose
from clary.companions.application_autoscaling.idle import keep_measured
from clary.companions.application_autoscaling.kinds import (
    ACTIVITY,
    POLICY,
    SCHEDULED_ACTION,
    TARGET,
    children,
    target_of,
)
from clary.companions.application_autoscaling.scalable import Capacity, Place, Scalable, Scalables
from clary.companions.application_autoscaling.scheduled import NEXT, next_time
from clary.companions.application_autoscaling.wishes import vetoes_fewer, wishes_of
from clary.resources.edit import edit
from clary.resources.kinds import Kind
from clary.resources.reconcile import Become, Do, Outcome, Remove, Wait
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
        scalable = _scalable(parts, record)
        try:
            capacity = scalable.look(parts, _place(record))
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
        scalable = _scalable(parts, record)
        try:
            capacity = scalable.look(parts, _place(record))
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


class ActivityReconciler:
    """Asks for the capacity, waits until it is there, and forgets the activity after six weeks."""

    kind: Kind = ACTIVITY

    def reconcile(self, record: Record, parts: Parts) -> Outcome:
        store = parts.need(Store)
        if record.status not in activities.UNFINISHED:
            left = record.created + KEEP_SECONDS - store.now()
            return Wait(left) if left > 0 else Remove()
        scalable, wanted = _scalable(parts, record), record.spec["After"]
        try:
            capacity = scalable.look(parts, _place(record))
            # Asked for already, where this is looked at again after a crash.
            if record.status == "Pending" and capacity.desired != wanted:
                scalable.set(parts, _place(record), wanted)
        except AwsError as error:
            return _ended(store, "Failed", f"Failed to set {scalable.word} to {wanted}. Reason: {error.message}")
        done = f"Successfully set {scalable.word} to {wanted}."
        if record.status == "Pending":
            return Become(
                "InProgress", state={"StatusMessage": f"{done} Waiting for change to be fulfilled by sagemaker."}
            )
        if not capacity.settled:
            return Wait(BUSY_SECONDS / 2)
        if capacity.desired != wanted:
            why = capacity.failure or f"It was set to {capacity.desired} meanwhile."
            return _ended(store, "Failed", f"{done} Change was not fulfilled by sagemaker. Reason: {why}")
        return _ended(store, "Successful", f"{done} Change successfully fulfilled by sagemaker.")


def _ended(store: Store, status: str, message: str) -> Become:
    return Become(status, state={"StatusMessage": message, "EndTime": store.now()})


class ScheduleReconciler:
    """A time that passed while no controller ran is made up for, once."""

    kind: Kind = SCHEDULED_ACTION

    def reconcile(self, record: Record, parts: Parts) -> Outcome:
        now = parts.need(Store).now()
        upcoming = record.state[NEXT]
        if upcoming is None:
            return Remove()
        if now < upcoming:
            return Wait(upcoming - now)
        return Do(lambda: _act(parts, record, now))


def _act(parts: Parts, action: Record, now: float) -> None:
    """The bounds and the next time in one transaction."""
    store = parts.need(Store)
    with edit(parts, action) as change:
        if change.record.version != action.version:
            return
        change.record.state[NEXT] = next_time(action.spec, action.created, now)
        target = target_of(store, action)
        if target is None or target.spec["SuspendedState"]["ScheduledScalingSuspended"]:
            return
        with edit(parts, target) as told:
            bounds = _new_bounds(told.record.spec, action.spec["ScalableTargetAction"])
            told.record.spec.update(bounds)
            cause = f"scheduled action name {action.spec['ScheduledActionName']} was triggered"
            enforce(told, cause)
            words = " and ".join(
                f"{_bound_word(name)} capacity to {bounds[name]}" for name in sorted(bounds, reverse=True)
            )
            activities.tell(store, told.record, cause, f"Setting {words}", f"Successfully set {words}")


def _new_bounds(spec: dict[str, Any], action: dict[str, Any]) -> dict[str, int]:
    """One alone that contradicts the other moves it."""
    bounds = dict(action)
    if "MinCapacity" in bounds and bounds["MinCapacity"] > bounds.get("MaxCapacity", spec["MaxCapacity"]):
        bounds["MaxCapacity"] = bounds["MinCapacity"]
    if "MaxCapacity" in bounds and bounds["MaxCapacity"] < bounds.get("MinCapacity", spec["MinCapacity"]):
        bounds["MinCapacity"] = bounds["MaxCapacity"]
    return bounds


def _bound_word(name: str) -> str:
    return "min" if name == "MinCapacity" else "max"


def _scalable(parts: Parts, record: Record) -> Scalable:
    found = parts.need(Scalables).find(record.spec["ScalableDimension"])
    if found is None:
        raise LookupError(f"nothing scales {record.spec['ScalableDimension']}")
    return found


def _place(record: Record) -> Place:
    return Place(record.account, record.region, record.spec["ResourceId"])
