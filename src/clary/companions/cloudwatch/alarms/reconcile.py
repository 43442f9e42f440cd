"""Evaluates an alarm once a minute, or as often as its period where that is shorter. Nothing is written unless its
state changes."""

import msgspec

from clary.companions.cloudwatch.alarms.evaluate import judge
from clary.companions.cloudwatch.alarms.kind import ALARM
from clary.companions.cloudwatch.alarms.measure import interval_of, measure, period_of, rule_of
from clary.companions.cloudwatch.alarms.reasons import reason, reason_data
from clary.companions.cloudwatch.alarms.transition import move
from clary.companions.cloudwatch.store import MetricStore
from clary.resources.edit import edit
from clary.resources.kinds import Kind
from clary.resources.reconcile import Do, Outcome, Wait
from clary.resources.records import Record
from clary.resources.store import Store
from clary.wire.context import Parts
from clary.wire.errors import AwsError

HELD_UNTIL = "HeldUntil"
"""State: when what SetAlarmState said may be judged again, in epoch seconds."""
MOST_DATA = 4000


class AlarmReconciler:
    kind: Kind = ALARM

    def reconcile(self, record: Record, parts: Parts) -> Outcome:
        now = parts.need(Store).now()
        if now < (held := record.state.get(HELD_UNTIL, 0.0)):
            return Wait(held - now)
        moved = _judged(record, parts, now)
        if moved is None:
            return Wait(_until_next(record, now))
        return Do(lambda: _move(parts, record, *moved))


def _judged(record: Record, parts: Parts, now: float) -> tuple[str, str, str] | None:
    """State, reason and its data, where the state is another than before, or the first that was found."""
    rule = rule_of(record.spec)
    try:
        found = measure(parts.need(MetricStore), record, now)
    except AwsError as error:
        # An expression that the metrics of the moment give no one series for.
        fresh = record.state.get("StateReason") != error.message or record.status != "INSUFFICIENT_DATA"
        return ("INSUFFICIENT_DATA", error.message, "") if fresh else None
    verdict = judge(rule, found)
    state = verdict.state or record.status
    if state == record.status and (verdict.state is None or "StateReasonData" in record.state):
        return None
    stated = {"period": period_of(record.spec)}
    stated |= {name.lower(): record.spec[name] for name in ("Statistic", "Unit") if name in record.spec}
    data = msgspec.json.encode(reason_data(rule, verdict, found, now, stated)).decode()
    return state, reason(rule, verdict, record.status), data if len(data) <= MOST_DATA else ""


def _move(parts: Parts, record: Record, state: str, why: str, data: str) -> None:
    with edit(parts, record) as change:
        # Somebody may have changed it since it was judged: then it is judged again.
        if change.record.version == record.version:
            move(parts, change, state, why, data)


def _until_next(record: Record, now: float) -> float:
    """Until shortly after the period ends: what was measured in it needs a moment to be written."""
    interval = interval_of(record.spec)
    late = min(2.0, interval / 5)
    return (now - late) // interval * interval + interval + late - now
