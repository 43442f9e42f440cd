"""An alarm as a record: its spec is what PutMetricAlarm or PutCompositeAlarm gave, its status is its state.

Names are unique with regard to case, unlike ARNs of records, so an alarm's record has none and is found by name.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from clary.companions.cloudwatch.alarms.evaluate import State
from clary.resources.kinds import Kind
from clary.resources.machine import Machine
from clary.resources.query import Query
from clary.resources.records import Record
from clary.resources.store import Store
from clary.wire.context import Context
from clary.wire.errors import AwsError

RULE = "AlarmRule"
"""What composite alarms have instead of a metric."""
STATES = frozenset({"OK", "ALARM", "INSUFFICIENT_DATA"})
ACTIONS = {"OK": "OKActions", "ALARM": "AlarmActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}
"""What is done on entering a state."""

ALARM = Kind(
    noun="Alarm",
    arn="",
    machine=Machine(start="INSUFFICIENT_DATA", edges=dict.fromkeys(STATES, STATES)),
    verbs="",
    name_member="AlarmName",
    service="cloudwatch",
)


def get(store: Store, account: str, region: str, name: str) -> Record | None:
    return store.get(ALARM.noun, account, region, name)


def find(ctx: Context, name: str) -> Record:
    """Raises ResourceNotFound."""
    record = get(ctx.need(Store), ctx.account, ctx.region, name)
    if record is None:
        raise AwsError(f"Alarm {name} does not exist.", code="ResourceNotFound", status=404)
    return record


def every(
    store: Store, account: str, region: str, where: Callable[[Record], bool] | None = None, **filters: Any
) -> Iterator[Record]:
    """In the order of their names; `filters` are members of a `Query`."""
    after = None
    while True:
        query = Query(
            kind=ALARM.noun,
            account=account,
            region=region,
            sort="name",
            after=after,
            limit=500,
            where=where,
            **filters,
        )
        page = store.page(query)
        yield from page.records
        if page.next is None:
            return
        after = page.next


def states(store: Store, account: str, region: str, names: Iterable[str]) -> dict[str, State]:
    """Of those of the named alarms that exist."""
    found = {name: get(store, account, region, name) for name in names}
    return {name: record.status for name, record in found.items() if record}  # type: ignore[misc]


def arn(account: str, region: str, name: str) -> str:
    return f"arn:aws:cloudwatch:{region}:{account}:alarm:{name}"


def actions(record: Record, state: str) -> list[str]:
    """ARNs that are acted on while the alarm is in this state: none where its actions are switched off."""
    found: list[str] = record.spec.get(ACTIONS[state], [])
    return found if record.spec.get("ActionsEnabled", True) else []


def acting(store: Store, account: str, region: str, action: str) -> list[Record]:
    """The alarms whose present state calls for this action."""
    return list(every(store, account, region, lambda record: action in actions(record, record.status)))


def naming(store: Store, account: str, region: str, action: str) -> list[Record]:
    """The alarms that have this action for any of their states."""
    return list(every(store, account, region, lambda record: action in _all_actions(record)))


def _all_actions(record: Record) -> list[str]:
    return [arn for member in ACTIONS.values() for arn in record.spec.get(member, ())]


def type_of(record: Record) -> str:
    return "CompositeAlarm" if RULE in record.spec else "MetricAlarm"


def shown(record: Record) -> dict[str, Any]:
    """AWS's MetricAlarm, or CompositeAlarm."""
    return {
        "OKActions": [],
        "AlarmActions": [],
        "InsufficientDataActions": [],
        "ActionsEnabled": True,
        **({"Dimensions": []} if "MetricName" in record.spec else {}),
        **record.spec,
        "AlarmName": record.name,
        "AlarmArn": arn(record.account, record.region, record.name),
        "StateValue": record.status,
        **{name: value for name, value in record.state.items() if name in SHOWN_STATE and value},
    }


SHOWN_STATE = (
    "AlarmConfigurationUpdatedTimestamp",
    "StateReason",
    "StateReasonData",
    "StateUpdatedTimestamp",
    "StateTransitionedTimestamp",
    "EvaluationState",
)
