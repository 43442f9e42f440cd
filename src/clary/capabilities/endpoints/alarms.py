"""The alarms that an update is watched by: which of them are in ALARM now. See `rollout.py`."""

from clary.capabilities.endpoints.deployment import Deployment, policy
from clary.capabilities.endpoints.fleet import Fleets
from clary.companions.cloudwatch import alarms
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
    return tuple(name for name, state in states.items() if state == "ALARM" or _was(record, name, under_way, store))


def _was(record: Record, name: str, under_way: Deployment, store: Store) -> bool:
    return alarms.entered(store, record.account, record.region, name, "ALARM", under_way.shifted)


def absent(store: Store, account: str, region: str, names: tuple[str, ...]) -> list[str]:
    """Those of the names that no alarm has."""
    return sorted(set(names) - alarms.states(store, account, region, names).keys())
