"""The alarms that an update is watched by: which of them are in ALARM now. See `rollout.py`."""

from clary.capabilities.endpoints.deployment import policy
from clary.capabilities.endpoints.fleet import Fleets
from clary.companions.cloudwatch import alarms
from clary.companions.cloudwatch.alarms import history
from clary.resources.records import Record
from clary.resources.store import Store


def in_alarm(record: Record, fleets: Fleets, store: Store) -> tuple[str, ...]:
    """Those that are in ALARM, or were since the first step: one that is back in OK at the next look has tripped too.

    None while nothing calls the next fleet: what an alarm says then is not about it.
    """
    under_way = fleets.deployment
    if under_way is None or not under_way.step or under_way.stage == "returning":
        return ()
    names = policy(under_way.asked).alarms
    states = alarms.states(store, record.account, record.region, names) if names else {}
    since = under_way.shifted
    return tuple(each for each in states if states[each] == "ALARM" or _was_in_alarm(record, each, since, store))


def _was_in_alarm(record: Record, name: str, since: float, store: Store) -> bool:
    wanted = {"alarm": name, "type": "StateUpdate", "since": since}
    told = history.page(store, record.account, record.region, wanted, newest_first=True, after=None, limit=100)
    return any(item.summary.endswith(" to ALARM") for item in told)


def absent(store: Store, account: str, region: str, names: tuple[str, ...]) -> list[str]:
    """Those of the names that no alarm has."""
    return sorted(set(names) - alarms.states(store, account, region, names).keys())
