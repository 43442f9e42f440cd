"""Changing a record: `with edit(ctx, record) as change: change.become("Stopping")`.

API handlers call it; the runner makes an `Edit` of its own, for it looks at a record longer than a lock may be held.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from clary.resources.kinds import Kind, Kinds
from clary.resources.records import Event, Record
from clary.resources.refusals import missing, refused
from clary.resources.store import Store
from clary.resources.wake import Wake
from clary.wire.context import Context, Parts


class Edit:
    """What one transaction does to one record. `record` is as it will be; its `spec` and `state` may be changed."""

    def __init__(self, kind: Kind, record: Record, now: float) -> None:
        self.kind = kind
        self.record = record
        self.now = now
        self.events: list[Event] = []
        self.unsaved = False
        """Whether it was touched since it was read or saved."""

    def become(self, status: str, detail: str = "", message: str = "", **state: Any) -> None:
        """Move to `status`, or stay in it with something new to say; `state` is merged into the record's.

        Raises the kind's `refused` error when its machine has no such edge.
        """
        if not self.kind.machine.allows(self.record.status, status):
            raise refused(self.kind, self.record, status)
        if status != self.record.status or detail or message:
            event = Event(record=self.record.id, at=self.now, status=status, detail=detail, message=message)
            self.events.append(event)
        self.record.status = status
        self.record.state.update(state)

    def due_now(self) -> None:
        """Have the controller look at it, changed or not."""
        self.record.due = self.now

    def touch(self) -> None:
        """What changed is new to clients, and to the controller."""
        self.record.modified = max(self.now, self.record.modified)
        self.record.due = self.now if self.kind.reconciled else None
        self.unsaved = True

    def save(self, store: Store) -> None:
        """Durable when it returns. Raises `Stale` when the record is no longer as it was read."""
        self.record = store.update(self.record, *self.events)
        self.events, self.unsaved = [], False


@contextmanager
def edit(where: Context | Parts, record: Record) -> Iterator[Edit]:
    """Locks and re-reads the record, so nothing it shows can change before the block's end: keep the block short.

    A changed record of a reconciled kind becomes due at once, and the controller is poked after the commit.

    Raises the kind's `missing` error when it is gone.
    """
    parts = where.parts if isinstance(where, Context) else where
    store, kind = parts.need(Store), parts.need(Kinds).of(record)
    with store.write():
        fresh = store.locked(record.id)
        if fresh is None:
            raise missing(kind, record.name, record.arn)
        before = msgspec.convert(msgspec.to_builtins(fresh), Record)
        change = Edit(kind, fresh, store.now())
        yield change
        if change.events or (fresh.spec, fresh.state) != (before.spec, before.state):
            change.touch()
        if change.events or fresh != before:
            change.save(store)
        if change.record.due == change.now:
            store.after_commit(parts.need(Wake).poke, record.id)
