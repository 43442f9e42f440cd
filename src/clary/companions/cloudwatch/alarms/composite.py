"""Composite alarms: what their rules make of other alarms."""

from datetime import UTC, datetime
from typing import Any

from clary.companions.cloudwatch.alarms.kind import ACTIONS, RULE, arn, get
from clary.companions.cloudwatch.alarms.rules import BadRule, Condition, conditions, holds
from clary.companions.cloudwatch.queries import refused
from clary.resources.records import Record
from clary.resources.store import Store
from clary.wire.context import Context
from clary.wire.errors import NotBuilt

Spec = dict[str, Any]

MOST_CHILDREN = 100
UNBUILT = ("ActionsSuppressor", "ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod")


def check(ctx: Context, spec: Spec) -> None:
    """Raises ValidationError, or NotBuilt for suppressed actions."""
    for member in UNBUILT:
        if member in spec:
            raise NotBuilt(f"Composite alarms with {member} are not supported.")
    if any(":autoscaling:" in action for member in ACTIONS.values() for action in spec.get(member, ())):
        raise refused("Composite alarms cannot have actions of Auto Scaling.")
    try:
        named = {name_of(ctx.account, ctx.region, each) for each in conditions(spec[RULE])}
    except BadRule as error:
        raise refused(f"AlarmRule is not valid: {error}.") from error
    if not named or len(named) > MOST_CHILDREN:
        raise refused(f"AlarmRule must contain from 1 to {MOST_CHILDREN} alarms.")
    store = ctx.need(Store)
    if missing := sorted(name for name in named if get(store, ctx.account, ctx.region, name) is None):
        raise refused(f"AlarmRule must not contain nonexistent alarms: {', '.join(missing)}")
    if spec["AlarmName"] in _all_below(store, ctx, named):
        raise refused("AlarmRule must not depend on its own alarm.")


def _all_below(store: Store, ctx: Context, named: set[str]) -> set[str]:
    found, fresh = set[str](), set(named)
    while fresh:
        found |= fresh
        records = [record for name in fresh if (record := get(store, ctx.account, ctx.region, name))]
        fresh = {child for record in records for child in children(record)} - found
    return found


def children(record: Record) -> list[str]:
    """Names of the alarms that a composite alarm's rule mentions; none of a metric alarm."""
    if RULE not in record.spec:
        return []
    named = (name_of(record.account, record.region, each) for each in conditions(record.spec[RULE]))
    return list(dict.fromkeys(named))


def judge_rule(store: Store, record: Record) -> tuple[str, str, Spec]:
    """State, its reason in AWS's form, and the reason's data. A child that was deleted is in no state."""
    found = {name: get(store, record.account, record.region, name) for name in children(record)}

    def is_so(condition: Condition) -> bool:
        child = found[name_of(record.account, record.region, condition)]
        return child is not None and child.status == condition.state

    state = "ALARM" if holds(record.spec[RULE], is_so) else "OK"
    there = [child for child in found.values() if child]
    if not there:
        return state, "None of the alarms in the rule exist.", {}
    told = [child for child in there if (child.status == "ALARM") == (state == "ALARM")] or there
    newest = max(told, key=_transitioned)
    at = datetime.fromtimestamp(_transitioned(newest), UTC)
    reason = (
        f"{arn(newest.account, newest.region, newest.name)} transitioned to {newest.status} "
        f"at {at:%A %d %B, %Y %H:%M:%S} UTC"
    )
    return state, reason, {"triggeringAlarms": [_triggering(child) for child in told]}


def _transitioned(child: Record) -> float:
    return float(child.state["StateTransitionedTimestamp"])


def _triggering(child: Record) -> Spec:
    at = datetime.fromtimestamp(_transitioned(child), UTC)
    stamp = at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"
    return {
        "arn": arn(child.account, child.region, child.name),
        "state": {"value": child.status, "timestamp": stamp},
    }


def name_of(account: str, region: str, condition: Condition) -> str:
    return condition.alarm.removeprefix(arn(account, region, ""))
