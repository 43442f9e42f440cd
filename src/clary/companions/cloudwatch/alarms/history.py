"""What happened to alarms, in the forms that DescribeAlarmHistory shows. Kept for 30 days, as on AWS."""

from typing import Any, NamedTuple

import msgspec
from sqlalchemy import delete, insert, select

from clary.companions.cloudwatch.alarms.kind import type_of
from clary.companions.cloudwatch.alarms.tables import history
from clary.resources.making import Owner
from clary.resources.records import Record
from clary.resources.store import Store

KEEP_SECONDS = 30 * 86_400.0
MOST_SUMMARY, MOST_DATA = 255, 4095
MOST_PUBLISHED = 1800
"""Characters of a message, which has as many quotes to be escaped as to leave the data whole."""


MOST_ERROR = 500


class Subject(NamedTuple):
    """Whom an item is about: an alarm, which may be gone. `kind` is its type."""

    owner: Owner
    name: str
    kind: str


class Item(NamedTuple):
    """`seq` rises with time, `kind` is the alarm's type, `at` is epoch seconds."""

    seq: int
    alarm: str
    kind: str
    at: float
    type: str
    summary: str
    data: str


_COLUMNS = [history.c[name] for name in Item._fields]


def subject(alarm: Record) -> Subject:
    return Subject(alarm, alarm.name, type_of(alarm))


def tell(store: Store, about: Subject, item: str, summary: str, data: dict[str, Any]) -> None:
    """Inside the transaction of what it tells. Clears away what is too old."""
    now = store.now()
    row = {
        "account": about.owner.account,
        "region": about.owner.region,
        "alarm": about.name,
        "kind": about.kind,
        "at": now,
        "type": item,
        "summary": summary[:MOST_SUMMARY],
        "data": msgspec.json.encode(data).decode()[:MOST_DATA],
    }
    with store.write() as conn:
        conn.execute(delete(history).where(history.c.at < now - KEEP_SECONDS))
        conn.execute(insert(history), row)


def configured(store: Store, alarm: Record, what: str, shown: dict[str, Any]) -> None:
    """`what` is Create, Update or Delete."""
    done = {"Create": "created", "Update": "updated", "Delete": "deleted"}[what]
    data = {"version": "1.0", "type": what, f"{done}Alarm": shown}
    tell(store, subject(alarm), "ConfigurationUpdate", f'Alarm "{alarm.name}" {done}', data)


def moved(store: Store, alarm: Record, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Both are `{"stateValue", "stateReason", "stateReasonData"}`."""
    summary = f"Alarm updated from {before['stateValue']} to {after['stateValue']}"
    tell(store, subject(alarm), "StateUpdate", summary, {"version": "1.0", "oldState": before, "newState": after})


def acted(store: Store, about: Subject, action: str, error: str, moved: float, *, published: str = "") -> None:
    """`moved`: when the alarm changed its state, in epoch seconds. `published`: the message to a topic."""
    error = error[:MOST_ERROR]
    failed = f'Failed to execute action {action}. Received error: "{error}"'
    data = {
        "actionState": "Failed" if error else "Succeeded",
        "stateUpdateTimestamp": int(moved * 1000),
        "notificationResource": action,
        "publishedMessage": published if 0 < len(published) <= MOST_PUBLISHED else None,
        "error": error or None,
    }
    tell(store, about, "Action", failed if error else f"Successfully executed action {action}", data)


def entered(store: Store, account: str, region: str, alarm: str, state: str, since: float) -> bool:
    """Whether the alarm has come into a state since then, however shortly. For who looks only now and then."""
    named = (history.c.account == account, history.c.region == region, history.c.alarm == alarm)
    told = (history.c.type == "StateUpdate", history.c.summary.like(f"% to {state}"), history.c.at >= since)
    with store.read() as conn:
        return conn.execute(select(history.c.seq).where(*named, *told).limit(1)).first() is not None


def page(
    store: Store,
    account: str,
    region: str,
    wanted: dict[str, Any],
    *,
    newest_first: bool,
    after: int | None,
    limit: int,
) -> list[Item]:
    """`wanted` has `kinds`, and may have `alarm`, `type`, `since` and `until` (epoch seconds).

    `after` is the last `seq` given before.
    """
    where = [history.c.account == account, history.c.region == region, history.c.kind.in_(wanted["kinds"])]
    where += [history.c[name] == wanted[name] for name in ("alarm", "type") if name in wanted]
    where += [history.c.at >= wanted["since"]] if "since" in wanted else []
    where += [history.c.at <= wanted["until"]] if "until" in wanted else []
    if after is not None:
        where.append(history.c.seq < after if newest_first else history.c.seq > after)
    order = history.c.seq.desc() if newest_first else history.c.seq
    with store.read() as conn:
        return [Item(*row) for row in conn.execute(select(*_COLUMNS).where(*where).order_by(order).limit(limit))]
