"""Evaluates an alarm once a minute, or as often as its period where that is shorter, and a composite one every few
seconds. Nothing is written unless its state changes."""

from typing import Any

import msgspec

from clary.companions.cloudwatch.alarms.composite import judge_rule
from clary.companions.cloudwatch.alarms.evaluate import judge
from clary.companions.cloudwatch.alarms.kind import ALARM, RULE
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
COMPOSITE_SECONDS = 2.0
MOST_DATA = 4000


class AlarmReconciler:
    kind: Kind = ALARM

    def reconcile(self, record: Record, parts: Parts) -> Outcome:
        now = parts.need(Store).now()
        if now < (held := record.state.get(HELD_UNTIL, 0.0)):
            return Wait(held - now)
        is_composite = RULE in record.spec
        moved = _combined(record, parts) if is_composite else _judged(record, parts, now)
        if moved is None:
            return Wait(COMPOSITE_SECONDS if is_composite else _until_next(record, now))
        return Do(lambda: _move(parts, record, *moved))


def _combined(record: Record, parts: Parts) -> tuple[str, str, str] | None:
    """As `_judged`, of a composite alarm."""
    state, why, data = judge_rule(parts.need(Store), record)
    if state == record.status:
        return None
    return state, why, _encoded(data)


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
    data = _encoded(reason_data(rule, verdict, found, now, stated))
    return state, reason(rule, verdict, record.status), data


def _encoded(data: dict[str, Any]) -> str:
    """Nothing where it would be too long to be shown."""
    text = msgspec.json.encode(data).decode()
    return text if len(text) <= MOST_DATA else ""


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
