"""Carrying scheduled actions out when their time has come."""

from typing import Any

from clary.companions.application_autoscaling import activities
from clary.companions.application_autoscaling.bounds import enforce
from clary.companions.application_autoscaling.kinds import SCHEDULED_ACTION, target_of
from clary.companions.application_autoscaling.scheduled import NEXT, next_time
from clary.resources.edit import edit
from clary.resources.kinds import Kind
from clary.resources.reconcile import Do, Outcome, Remove, Wait
from clary.resources.records import Record
from clary.resources.store import Store
from clary.wire.context import Parts


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
            activities.tell(parts, told.record, cause, f"Setting {words}", f"Successfully set {words}")


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
