"""The store: every record, event and tag, behind a handful of calls. Who may see what is decided here by account.

Handlers, reconcilers and the other parts share one `Store` per process; all its calls are synchronous and thread-safe.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, delete, literal_column, select, text, update

from clary.resources.database import Database
from clary.resources.prepared import Prepared
from clary.resources.query import Page, Query, walk
from clary.resources.records import Event, Record
from clary.resources.tables import Word, counters, events, records, secrets, tags

DATABASE_FILE = "clary.db"

_FIELDS = Record.__struct_fields__
_COLUMNS = [records.c[name] for name in _FIELDS]
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode

# Statements are built once: constructing one costs more than running it.
_SCOPED = select(*_COLUMNS).where(
    records.c.account == bindparam("account"),
    records.c.region == bindparam("region"),
    records.c.kind == bindparam("kind"),
)
_BY_NAME = Prepared(_SCOPED.where(records.c.name == bindparam("name"), records.c.parent == bindparam("parent")))
_OF_ID = select(*_COLUMNS).where(records.c.id == bindparam("id"))
_BY_ID, _LOCKED = Prepared(_OF_ID), Prepared(_OF_ID.with_for_update())
# Spelled out, as the index has it: for a parameter, SQLite would plan anew each time, to see whether the index suits.
_EMPTY = literal_column("''", Word)
_BY_ARN = Prepared(select(*_COLUMNS).where(records.c.arn == bindparam("arn"), records.c.arn != _EMPTY))
_DUE = (
    select(records.c.id)
    .where(records.c.due.is_not(None), records.c.due <= bindparam("now"))
    .order_by(records.c.due)
    .limit(bindparam("most"))
)
_GUARDED = (records.c.id == bindparam("guard_id"), records.c.version == bindparam("guard_version"))
_UPDATE = Prepared(update(records).where(*_GUARDED), _FIELDS)
_RESCHEDULE = Prepared(update(records).where(*_GUARDED), ["due"])
_DELETE = delete(records).where(*_GUARDED)
# A record's first event is written when it changes for the first time: until then the record itself says it.
_TOLD = [events.c.record, events.c.at, events.c.status, events.c.detail, events.c.message]
_FIRST = select(
    records.c.id, records.c.created, records.c.status, _EMPTY.label("detail"), _EMPTY.label("message")
).where(records.c.id == bindparam("id"), records.c.version == literal_column("0"), records.c.status != _EMPTY)
_LATER = select(*_TOLD, events.c.seq).where(events.c.record == bindparam("id"))
_EVENTS_OF = Prepared(_LATER.union_all(_FIRST.add_columns(literal_column("0"))).order_by(text("seq")))
_EVENT = Prepared(events.insert(), Event.__struct_fields__)
_WRITE_FIRST = Prepared(events.insert().from_select(_TOLD, _FIRST.with_for_update()))
_TAGS_OF = select(tags.c.key, tags.c.value).where(tags.c.record == bindparam("id")).order_by(tags.c.key)


class NameTaken(Exception):
    """A record of this kind already has the name (or one that differs in case alone), in this account and region."""


class Stale(Exception):
    """The record was changed or deleted since it was read."""


class Store:
    """`url` is SQLAlchemy's (`sqlite:///file` or `postgresql://...`). `clock` gives epoch seconds."""

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        self.database = Database(url)
        self.clock = clock
        self._secrets: dict[str, bytes] = {}
        insert: Any = self.database.insert
        self._insert = Prepared(insert(records).on_conflict_do_nothing(), _FIELDS)
        tag: Any = insert(tags)
        self._tag = tag.on_conflict_do_update(index_elements=["record", "key"], set_={"value": tag.excluded.value})
        count: Any = insert(counters).values(value=1)
        self._count = count.on_conflict_do_update(
            index_elements=["owner", "kind"], set_={"value": counters.c.value + 1}
        ).returning(counters.c.value)
        self._secret = insert(secrets).on_conflict_do_nothing()

    def now(self) -> float:
        """Epoch seconds to the millisecond, the precision that clients see."""
        return round(self.clock(), 3)

    def read(self) -> AbstractContextManager[Connection]:
        return self.database.read()

    def write(self, lock: str = "") -> AbstractContextManager[Connection]:
        """A transaction of this thread; every call of the store inside the block is part of it."""
        return self.database.write(lock)

    async def committed(self, act: Callable[[], Any]) -> Any:
        """What `act` gives or raises, once what it wrote is durable: for short writes that the event loop waits for."""
        return await self.database.committed(act)

    def after_commit(self, call: Callable[..., None], what: str) -> None:
        self.database.after_commit(call, what)

    def close(self) -> None:
        self.database.close()

    def insert(self, record: Record, *, tags: Mapping[str, str] | None = None) -> None:
        """Durable when it returns. A status is also the first event. Raises `NameTaken`."""
        with self.write() as conn:
            if self._insert.change(conn, _row(record)) != 1:
                raise NameTaken(record.name)
            if tags:
                self.set_tags(record.id, tags)

    def get(self, kind: str, account: str, region: str, name: str, parent: str = "") -> Record | None:
        names = {"account": account, "region": region, "kind": kind, "name": name, "parent": parent}
        return self._one(_BY_NAME, names)

    def by_id(self, record_id: str) -> Record | None:
        return self._one(_BY_ID, {"id": record_id})

    def by_arn(self, arn: str) -> Record | None:
        """Of any account: the caller checks whose it is. Case does not matter."""
        return self._one(_BY_ARN, {"arn": arn.lower()})

    def locked(self, record_id: str) -> Record | None:
        """Inside a `write`: the record as it is now, which nobody else can change until the block ends."""
        return self._one(_LOCKED, {"id": record_id})

    def update(self, record: Record, *told: Event) -> Record:
        """Write what changed in a record as read before; gives it back with its new version. Raises `Stale`."""
        after = msgspec.structs.replace(record, version=record.version + 1)
        with self.write() as conn:
            guard = {"guard_id": record.id, "guard_version": record.version}
            if record.version == 0:
                _WRITE_FIRST.change(conn, {"id": record.id})
            if _UPDATE.change(conn, _row(after) | guard) != 1:
                raise Stale(record.id)
            for event in told:
                _EVENT.change(conn, msgspec.structs.asdict(event))
        return after

    def reschedule(self, put_off: Iterable[tuple[Record, float | None]]) -> None:
        """Set when to look again, except at records that changed since: whoever changed them has said when, too."""
        with self.write() as conn:
            for record, due in put_off:
                _RESCHEDULE.change(conn, {"guard_id": record.id, "guard_version": record.version, "due": due})

    def delete(self, record: Record) -> None:
        """Nothing stays but its id, which is not used again; the name is free. Raises `Stale`."""
        with self.write() as conn:
            if conn.execute(_DELETE, {"guard_id": record.id, "guard_version": record.version}).rowcount != 1:
                raise Stale(record.id)
            conn.execute(delete(events).where(events.c.record == record.id))
            conn.execute(delete(tags).where(tags.c.record == record.id))
            conn.execute(delete(counters).where(counters.c.owner == record.id))

    def due(self, now: float, limit: int = 1000) -> list[str]:
        """Ids of the records to look at, longest due first."""
        with self.read() as conn:
            return list(conn.execute(_DUE, {"now": now, "most": limit}).scalars())

    def events(self, record_id: str) -> list[Event]:
        """Oldest first."""
        with self.read() as conn:
            rows = _EVENTS_OF.all(conn, {"id": record_id})
        return [Event(record=row[0], at=row[1], status=row[2], detail=row[3], message=row[4]) for row in rows]

    def page(self, query: Query) -> Page:
        """The records of one page, walking one index: as fast in 100,000 as in 100."""
        with self.read() as conn:
            return walk(conn, query, _record)

    def tags(self, record_id: str) -> dict[str, str]:
        """By key."""
        with self.read() as conn:
            return {row[0]: row[1] for row in conn.execute(_TAGS_OF, {"id": record_id})}

    def set_tags(self, record_id: str, changed: Mapping[str, str]) -> None:
        if not changed:
            return
        with self.write() as conn:
            conn.execute(self._tag, [{"record": record_id, "key": k, "value": v} for k, v in changed.items()])

    def drop_tags(self, record_id: str, keys: Iterable[str]) -> None:
        with self.write() as conn:
            conn.execute(delete(tags).where(tags.c.record == record_id, tags.c.key.in_(list(keys))))

    def next_number(self, owner: str, kind: str) -> int:
        """1, 2, 3, … for the versions of `kind` under the record `owner`; no number is given twice."""
        with self.write() as conn:
            return int(conn.execute(self._count, {"owner": owner, "kind": kind}).scalar_one())

    def secret(self, name: str) -> bytes:
        """32 random bytes, the same in every process and after every restart."""
        if name not in self._secrets:
            with self.write() as conn:
                conn.execute(self._secret, {"name": name, "value": os.urandom(32)})
                kept = conn.execute(select(secrets.c.value).where(secrets.c.name == name)).scalar_one()
            self._secrets[name] = bytes(kept)
        return self._secrets[name]

    def _one(self, statement: Prepared, names: dict[str, Any]) -> Record | None:
        with self.read() as conn:
            row = statement.first(conn, names)
        return None if row is None else _record(row)


def _record(row: Any) -> Record:
    # Spelled out: a page has up to a hundred of them, and a dictionary of the fields takes twice the time.
    return Record(
        id=row[0],
        account=row[1],
        region=row[2],
        kind=row[3],
        name=row[4],
        parent=row[5],
        arn=row[6],
        status=row[7],
        spec=_decode(row[8]),
        state=_decode(row[9]),
        created=row[10],
        modified=row[11],
        version=row[12],
        due=row[13],
    )


def _row(record: Record) -> dict[str, Any]:
    fields = {name: getattr(record, name) for name in _FIELDS}
    return fields | {"spec": _encode(record.spec).decode(), "state": _encode(record.state).decode()}
