"""How a record comes to be: `new` puts it together, `add` stores it and tells the controller.

The create verb ends here, and so does everything that makes a record without a client's Create: a message that is to be
delivered, an activity, an alarm that a policy needs.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from clary.resources.kinds import Kind
from clary.resources.records import Record, new_id
from clary.resources.store import Store
from clary.resources.wake import Wake
from clary.wire.context import Context, Parts


class Owner(Protocol):
    """Whose a record is: a call's context, a record, a message."""

    @property
    def account(self) -> str: ...

    @property
    def region(self) -> str: ...


class Scope(NamedTuple):
    """An owner of whom nothing else is known."""

    account: str
    region: str


def new(kind: Kind | str, owner: Owner, name: str, now: float, **members: Any) -> Record:
    """Not stored yet. `kind`: or its noun, where it has none of the common verbs. `members`: others of a `Record`."""
    noun, status = (kind.noun, kind.machine.start) if isinstance(kind, Kind) else (kind, "")
    known: dict[str, Any] = {"id": new_id(), "status": status, "created": now, "modified": now}
    return Record(kind=noun, account=owner.account, region=owner.region, name=name, **known | members)


def add(where: Context | Parts, record: Record, tags: Mapping[str, str] | None = None) -> None:
    """Stored, in the transaction of what makes it if there is one. The controller is told of what is due.

    Raises `NameTaken`.
    """
    parts = where.parts if isinstance(where, Context) else where
    store = parts.need(Store)
    with store.write():
        store.insert(record, tags=tags)
        if record.due is not None:
            store.after_commit(parts.need(Wake).poke, record.id)
