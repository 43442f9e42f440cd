"""Changing a record: `with edit(ctx, record) as change: change.become("Stopping")`.

API handlers call it, and the runner.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from clary.resources.kinds import Kind, Kinds
from clary.resources.records import Event, Record
from clary.resources.refusals import missing, refused
from clary.resources.store import Stale, Store
from clary.resources.wake import Wake
from clary.wire.context import Context, Parts


class Edit:
    """One transaction on one record. `record` is the record as it is now; its `spec` and `state` may be changed."""

    def __init__(self, kind: Kind, record: Record, now: float) -> None:
        self.kind = kind
        self.record = record
        self.now = now
        self.event: Event | None = None

    def become(self, status: str, detail: str = "", message: str = "", **state: Any) -> None:
        """Move to `status`, or stay in it with something new to say; `state` is merged into the record's.

        Raises the kind's `refused` error when its machine has no such edge.
        """
        if not self.kind.machine.allows(self.record.status, status):
            raise refused(self.kind, self.record, status)
        if status != self.record.status or detail or message:
            self.event = Event(record=self.record.id, at=self.now, status=status, detail=detail, message=message)
        self.record.status = status
        self.record.state.update(state)

    def due_now(self) -> None:
        """Have the controller look at it, changed or not."""
        self.record.due = self.now


@contextmanager
def edit(where: Context | Parts, record: Record, *, version: int | None = None) -> Iterator[Edit]:
    """Locks and re-reads the record, so nothing it shows can change before the block's end: keep the block short.

    A changed record of a reconciled kind becomes due at once, and the controller is poked after the commit.

    Raises the kind's `missing` error when it is gone. The runner gives the `version` it decided on: then `Stale` is
    raised when the record is at another, and the poke is left to the caller.
    """
    parts = where.parts if isinstance(where, Context) else where
    store, kind = parts.need(Store), parts.need(Kinds).of(record)
    with store.write():
        fresh = store.locked(record.id)
        if version is not None and (fresh is None or fresh.version != version):
            raise Stale(record.id)
        if fresh is None:
            raise missing(kind, record.name, record.arn)
        before = msgspec.convert(msgspec.to_builtins(fresh), Record)
        change = Edit(kind, fresh, store.now())
        yield change
        if change.event is not None or fresh != before:
            _save(store, change, before)
        if version is None and fresh.due == change.now:
            store.after_commit(lambda: parts.need(Wake).poke(record.id))


def _save(store: Store, change: Edit, before: Record) -> None:
    after = change.record
    if change.event is not None or (after.spec, after.state) != (before.spec, before.state):
        after.modified = max(change.now, after.modified)
        after.due = change.now if change.kind.reconciled else None
    change.record = store.update(after, change.event)
