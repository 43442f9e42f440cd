"""Where logs are: groups and streams in the database, the events of a stream in one append-only file.

Capabilities call `stream` for the file that a shim writes; the operations of this folder call the rest.
"""

import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Row, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from clary.companions.logs.files import extent
from clary.companions.logs.tables import groups, streams
from clary.logfile import frame
from clary.resources.prepared import Prepared
from clary.resources.store import Store

DAY_MILLISECONDS = 86_400_000
PAGE = 500


# Statements of every job's start are built once: constructing one costs more than running it.
_GROUP_ID = Prepared(
    select(groups.c.id).where(
        groups.c.account == bindparam("account"),
        groups.c.region == bindparam("region"),
        groups.c.name == bindparam("name"),
    )
)
_STREAM_ID = Prepared(
    select(streams.c.id).where(streams.c.group == bindparam("owner"), streams.c.name == bindparam("name"))
)


class Group(msgspec.Struct, frozen=True):
    """A log group. `created` is epoch milliseconds, `retention` days; None keeps for ever."""

    id: str
    name: str
    created: int
    retention: int | None
    tags: dict[str, str]
    settings: dict[str, Any]

    def oldest(self) -> int:
        """Events before this time, in epoch milliseconds, are past the retention and not shown."""
        return int(time.time() * 1000) - self.retention * DAY_MILLISECONDS if self.retention else 0


class Stream(msgspec.Struct, frozen=True):
    """A log stream and its file, which may not exist before the first event."""

    id: str
    name: str
    created: int
    ordered: bool
    path: Path


class Taken(Exception):
    """A group or stream of this name exists."""


class LogStore:
    """Safe to use from many threads and processes."""

    def __init__(self, root: Path, store: Store) -> None:
        self._root = root
        self._store = store
        self._new_stream = Prepared(store.database.insert(streams).on_conflict_do_nothing(), streams.c.keys())

    def stream(self, account: str, region: str, group: str, stream: str) -> Path:
        """The file for this stream's events; group and stream are made if they are not there. May be repeated."""
        owner = self._ensure_group(account, region, group)
        with self._store.write() as conn:
            self._new_stream.change(conn, _stream_row(owner, stream))
            path = self._path(owner, _STREAM_ID.first(conn, {"owner": owner, "name": stream})[0])
        try:
            path.touch()
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return path

    def find_group(self, account: str, region: str, name: str) -> Group | None:
        where = (groups.c.account == account, groups.c.region == region, groups.c.name == name)
        with self._store.read() as conn:
            row = conn.execute(select(groups).where(*where)).first()
        return _group(row) if row else None

    def groups(self, account: str, region: str, prefix: str = "", after: str = "") -> Iterator[Group]:
        """In name order, those whose name starts with `prefix` and sorts behind `after`."""
        where = (groups.c.account == account, groups.c.region == region)
        return (_group(row) for row in self._walk(groups, where, prefix, after))

    def create_group(
        self, account: str, region: str, name: str, tags: dict[str, str], settings: dict[str, Any]
    ) -> Group:
        """Raises `Taken`."""
        row: dict[str, Any] = {
            "id": uuid.uuid4().hex,
            "account": account,
            "region": region,
            "name": name,
            "created": time.time(),
            "tags": msgspec.json.encode(tags).decode(),
            "settings": msgspec.json.encode(settings).decode(),
        }
        self._insert(groups, row)
        return Group(row["id"], name, int(row["created"] * 1000), None, tags, settings)

    def change_group(self, group: Group, **values: Any) -> None:
        """Set `retention`, `tags` or `settings`."""
        plain = {
            key: msgspec.json.encode(value).decode() if isinstance(value, dict) else value
            for key, value in values.items()
        }
        with self._store.write() as conn:
            conn.execute(update(groups).where(groups.c.id == group.id).values(**plain))

    def delete_group(self, group: Group) -> None:
        """Rows first: a crash between the two leaves files that nothing can find, and `sweep` removes them."""
        with self._store.write() as conn:
            conn.execute(delete(streams).where(streams.c.group == group.id))
            conn.execute(delete(groups).where(groups.c.id == group.id))
        shutil.rmtree(self._root / group.id, ignore_errors=True)

    def find_stream(self, group: Group, name: str) -> Stream | None:
        with self._store.read() as conn:
            row = conn.execute(select(streams).where(streams.c.group == group.id, streams.c.name == name)).first()
        return self._stream(row) if row else None

    def streams(self, group: Group, prefix: str = "", after: str = "") -> Iterator[Stream]:
        """In name order, those whose name starts with `prefix` and sorts behind `after`."""
        return (self._stream(row) for row in self._walk(streams, (streams.c.group == group.id,), prefix, after))

    def streams_backwards(self, group: Group, prefix: str = "", before: str | None = None) -> Iterator[Stream]:
        """The same, last name first."""
        rows = self._walk(streams, (streams.c.group == group.id,), prefix, before, descending=True)
        return (self._stream(row) for row in rows)

    def create_stream(self, group: Group, name: str) -> Stream:
        """Raises `Taken`."""
        row = _stream_row(group.id, name)
        self._insert(streams, row)
        return Stream(row["id"], name, int(row["created"] * 1000), True, self._path(group.id, row["id"]))

    def delete_stream(self, stream: Stream) -> None:
        with self._store.write() as conn:
            conn.execute(delete(streams).where(streams.c.id == stream.id))
        stream.path.unlink(missing_ok=True)

    def append(self, stream: Stream, events: list[tuple[int, str]]) -> None:
        """Add `(milliseconds, text)` events, in time order, in one write; on the disk when this returns."""
        stream.path.parent.mkdir(parents=True, exist_ok=True)
        with stream.path.open("a+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            last = extent(stream.path).last
            if stream.ordered and last is not None and events[0][0] < last:
                with self._store.write() as conn:
                    conn.execute(update(streams).where(streams.c.id == stream.id).values(ordered=False))
            # O_APPEND and a single call: a shim that appends at the same time does not mix within a line.
            file.write(b"".join(frame(at, text.encode("utf-8", "replace")) for at, text in events))
            os.fsync(file.fileno())

    def stored_bytes(self, group: Group) -> int:
        """What the group's files take."""
        return sum(file.stat().st_size for file in (self._root / group.id).glob("*/*.log"))

    def sweep(self) -> None:
        """Delete files past their group's retention or without a stream. The controller may call it now and then."""
        # Folders before rows: a group made in between must not look like one without a row.
        folders = list(self._root.iterdir()) if self._root.is_dir() else []
        with self._store.read() as conn:
            kept = {row.id: row.retention for row in conn.execute(select(groups.c.id, groups.c.retention))}
        for folder in folders:
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)
            elif kept[folder.name]:
                self._expire(folder, time.time() - kept[folder.name] * DAY_MILLISECONDS / 1000)

    def _expire(self, folder: Path, oldest: float) -> None:
        for file in folder.glob("*/*.log"):
            if file.stat().st_mtime < oldest:
                file.unlink(missing_ok=True)

    def _ensure_group(self, account: str, region: str, name: str) -> str:
        """Its id."""
        with self._store.read() as conn:
            found = _GROUP_ID.first(conn, {"account": account, "region": region, "name": name})
        if found is not None:
            return str(found[0])
        try:
            return self.create_group(account, region, name, {}, {}).id
        except Taken:
            return self._ensure_group(account, region, name)

    def _insert(self, table: Any, row: dict[str, Any]) -> None:
        try:
            with self._store.write() as conn:
                conn.execute(insert(table).values(**row))
        except IntegrityError as error:
            raise Taken(row["name"]) from error

    def _walk(
        self, table: Any, where: tuple[Any, ...], prefix: str, edge: str | None, *, descending: bool = False
    ) -> Iterator[Row[Any]]:
        """Rows by name, a bounded page at a time; the name index carries prefix and position."""
        name = table.c.name
        if prefix:
            where = (*where, name >= prefix, name < _behind(prefix))
        while True:
            position = () if not edge else (name < edge if descending else name > edge,)
            query = select(table).where(*where, *position).order_by(name.desc() if descending else name).limit(PAGE)
            with self._store.read() as conn:
                rows = conn.execute(query).all()
            yield from rows
            if len(rows) < PAGE:
                return
            edge = rows[-1].name

    def _stream(self, row: Row[Any]) -> Stream:
        return Stream(row.id, row.name, int(row.created * 1000), row.ordered, self._path(row.group, row.id))

    def _path(self, group: str, stream: str) -> Path:
        return self._root / group / stream[:2] / f"{stream}.log"


def _stream_row(group: str, name: str) -> dict[str, Any]:
    return {"id": uuid.uuid4().hex, "group": group, "name": name, "created": time.time(), "ordered": True}


def _group(row: Row[Any]) -> Group:
    tags = msgspec.json.decode(row.tags, type=dict[str, str])
    settings = msgspec.json.decode(row.settings, type=dict[str, Any])
    return Group(row.id, row.name, int(row.created * 1000), row.retention, tags, settings)


def _behind(prefix: str) -> str:
    """A text that sorts behind everything starting with `prefix`; names hold no character this high."""
    return prefix + "\U0010ffff"
