"""Moving an alarm to another state, and what it then does, in one transaction."""

import logging
import uuid
from typing import Any

import msgspec

from clary.companions.cloudwatch.alarms import history
from clary.companions.cloudwatch.alarms.kind import actions, type_of
from clary.companions.cloudwatch.alarms.telling import told
from clary.companions.sns import Message, is_topic, publish
from clary.resources.edit import Edit, edit
from clary.resources.kinds import Kinds
from clary.resources.records import Record
from clary.resources.store import Store
from clary.wire.context import Parts

log = logging.getLogger(__name__)


def move(parts: Parts, change: Edit, state: str, reason: str, reason_data: str) -> None:
    """Inside `edit`. Told in the history; an alarm that only has a new reason does nothing more."""
    store, record = parts.need(Store), change.record
    before = _told(record)
    moved = state != record.status
    change.become(state, StateReason=reason, StateReasonData=reason_data, StateUpdatedTimestamp=change.now)
    if not moved:
        return
    record.state["StateTransitionedTimestamp"] = change.now
    history.moved(store, record, before, _told(record))
    for action in actions(record, state):
        _act(parts, record, action, before["stateValue"])


def rouse(parts: Parts, alarm: Record) -> None:
    """Have the controller look at what the alarm's actions name, as far as they are records here."""
    for action in actions(alarm, alarm.status):
        _rouse(parts, alarm, action)


def _act(parts: Parts, alarm: Record, action: str, before: str) -> None:
    """A scaling policy looks at its alarms itself, once it is told to; a message to a topic is left to be delivered,
    and then told of."""
    if is_topic(action):
        subject, body = told(alarm, before)
        message = Message(alarm.account, alarm.region, action, str(uuid.uuid4()), body, subject)
        publish(parts, message, Alarm=alarm.name, Type=type_of(alarm))
        return
    error = "" if _rouse(parts, alarm, action) else "No service of Clary carries out this action."
    if error:
        log.warning("alarm %s is %s, but nothing here carries out %s", alarm.name, alarm.status, action)
    store = parts.need(Store)
    history.acted(store, history.subject(alarm), action, error, store.now())


def delivered(store: Store, message: Record, error: str) -> None:
    """For whoever delivers, in the transaction that ends it: the history shows an action when it has ended."""
    said = message.spec
    # Messages of an earlier version are shown already.
    if about := said.get("About"):
        subject = history.Subject(message, about["Alarm"], about["Type"])
        history.acted(store, subject, said["Topic"], error, message.created, published=said["Body"])


def _rouse(parts: Parts, alarm: Record, action: str) -> bool:
    target = parts.need(Store).by_arn(action)
    if target is None or (target.account, target.region) != (alarm.account, alarm.region):
        return False
    kind = parts.need(Kinds).find(target.kind)
    if kind is None or not kind.reconciled:
        return False
    with edit(parts, target) as change:
        change.due_now()
    return True


def _told(record: Record) -> dict[str, Any]:
    data = record.state.get("StateReasonData")
    told = {"stateValue": record.status, "stateReason": record.state.get("StateReason", "")}
    return told | ({"stateReasonData": _parsed(data)} if data else {})


def _parsed(data: str) -> Any:
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:
        return data
