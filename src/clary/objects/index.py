"""The index in SQL: buckets and object versions. Every function takes the open connection of its caller (`store.py`).

A key has at most one `live` row, the version that a plain read finds. Older versions and delete markers are rows
beside it; the newest has the smallest `age`.
"""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Connection,
    LargeBinary,
    Row,
    bindparam,
    delete,
    insert,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.sql.elements import ColumnElement

from clary.objects.info import Bucket
from clary.objects.tables import buckets, documents, garbage, objects, parts, uploads
from clary.resources.prepared import Prepared

NULL = "null"
NEWEST = -(2**63)
"""Smaller than every age."""

# Statements that nearly every request runs are built once: constructing one costs more than running it.
_BUCKET = select(buckets).where(buckets.c.name == bindparam("bucket"))
_FOUND, _HELD = Prepared(_BUCKET), Prepared(_BUCKET.with_for_update(read=True))
_KEY = select(objects).where(objects.c.bucket == bindparam("bucket"), objects.c.key == bindparam("at"))
_LIVE = Prepared(_KEY.where(objects.c.live))
_VERSIONED = Prepared(_KEY.where(objects.c.version == bindparam("wanted")))
_NEWEST = Prepared(_KEY.order_by(objects.c.age).limit(1))
_ADD = Prepared(objects.insert(), objects.c.keys())
_LIVE_FROM = (
    select(objects)
    .where(objects.c.bucket == bindparam("bucket"), objects.c.live, objects.c.key >= bindparam("start"))
    .order_by(objects.c.key)
    .limit(bindparam("most"))
)
_LIVE_BETWEEN = _LIVE_FROM.where(objects.c.key < bindparam("end"))
_ANY_LIVE = Prepared(_LIVE_FROM.with_only_columns(objects.c.age).order_by(None))
_ANY_BETWEEN = Prepared(_LIVE_BETWEEN.with_only_columns(objects.c.age).order_by(None))


def bucket(conn: Connection, name: str, *, hold: bool = False) -> Bucket | None:
    """`hold` keeps the bucket from being deleted until the transaction ends."""
    row = (_HELD if hold else _FOUND).first(conn, {"bucket": name})
    return Bucket(*row) if row else None


def buckets_of(conn: Connection, account: str, prefix: str, after: str, limit: int) -> list[Bucket]:
    query = select(buckets).where(buckets.c.account == account, buckets.c.name > after)
    query = query.where(buckets.c.name.startswith(prefix, autoescape=True)) if prefix else query
    return [Bucket(*row) for row in conn.execute(query.order_by(buckets.c.name).limit(limit))]


def is_empty(conn: Connection, name: str) -> bool:
    return conn.execute(select(objects.c.age).where(objects.c.bucket == name).limit(1)).first() is None


def drop_bucket(conn: Connection, name: str) -> None:
    """With its documents and unfinished uploads."""
    waiting = select(uploads.c.id).where(uploads.c.bucket == name)
    conn.execute(delete(parts).where(parts.c.upload.in_(waiting)))
    conn.execute(delete(uploads).where(uploads.c.bucket == name))
    conn.execute(delete(documents).where(documents.c.bucket == name))
    conn.execute(delete(buckets).where(buckets.c.name == name))


class Found(NamedTuple):
    """A row of `tables.objects`."""

    bucket: str
    key: bytes
    age: int
    version: str
    live: bool
    marker: bool
    size: int
    etag: str
    modified: float
    file: str
    extra: bytes


def live(conn: Connection, name: str, key: bytes) -> Found | None:
    return _found(_LIVE.first(conn, {"bucket": name, "at": key}))


def versioned(conn: Connection, name: str, key: bytes, version: str) -> Found | None:
    return _found(_VERSIONED.first(conn, {"bucket": name, "at": key, "wanted": version}))


def newest(conn: Connection, name: str, key: bytes) -> Found | None:
    """The latest version, be it a delete marker."""
    return _found(_NEWEST.first(conn, {"bucket": name, "at": key}))


def _found(row: Any) -> Found | None:
    return Found(*row)._replace(live=bool(row[4]), marker=bool(row[5])) if row else None


def key_of_file(conn: Connection, file: str) -> tuple[str, str] | None:
    row = conn.execute(select(objects.c.bucket, objects.c.key).where(objects.c.file == file)).first()
    return (row.bucket, bytes(row.key).decode()) if row else None


def add(conn: Connection, name: str, key: bytes, version: str, values: dict[str, Any]) -> Found:
    """Make a version the newest one of its key. Replaces the "null" version if it is one."""
    before = newest(conn, name, key)
    if before is not None:
        if version == NULL:
            remove(conn, name, key, NULL)
        conn.execute(update(objects).where(*_is(name, key), objects.c.live).values(live=False))
    # Also when the clock went back.
    age = min(-time.time_ns(), before.age - 1 if before else 0)
    added = Found(bucket=name, key=key, age=age, version=version, **values)
    _ADD.change(conn, added._asdict())
    return added


def remove(conn: Connection, name: str, key: bytes, version: str) -> Found | None:
    """Delete one version for good, and return it. The newest that is left becomes live unless it is a marker."""
    row = versioned(conn, name, key, version)
    if row is None:
        return None
    conn.execute(delete(objects).where(*_is(name, key), objects.c.age == row.age))
    if row.file:
        discard(conn, row.file)
    left = newest(conn, name, key)
    if left is not None and not left.marker and not left.live:
        conn.execute(update(objects).where(*_is(name, key), objects.c.age == left.age).values(live=True))
    return row


def set_extra(conn: Connection, name: str, key: bytes, age: int, extra: bytes) -> None:
    conn.execute(update(objects).where(*_is(name, key), objects.c.age == age).values(extra=extra))


def discard(conn: Connection, file: str) -> None:
    """Have a file removed, later: a reader that found it in the index may be about to open it."""
    conn.execute(insert(garbage).values(file=file, since=time.time()))


def discarded(conn: Connection, before: float, limit: int) -> list[str]:
    query = select(garbage.c.file).where(garbage.c.since < before).order_by(garbage.c.since).limit(limit)
    return list(conn.scalars(query))


def forget(conn: Connection, files: Sequence[str]) -> None:
    conn.execute(delete(garbage).where(garbage.c.file.in_(files)))


def live_from(conn: Connection, name: str, start: bytes, end: bytes | None, limit: int) -> Sequence[Row[Any]]:
    """Live rows with `start <= key < end`, in byte order; a walk of the index `s3_objects_live`."""
    values = {"bucket": name, "start": start, "end": end, "most": limit}
    return conn.execute(_LIVE_FROM if end is None else _LIVE_BETWEEN, values).all()


def any_live(conn: Connection, name: str, start: bytes, end: bytes | None) -> bool:
    """Whether there is a live row with `start <= key < end`."""
    asked = {"bucket": name, "start": start, "end": end, "most": 1}
    return (_ANY_LIVE if end is None else _ANY_BETWEEN).first(conn, asked) is not None


def versions_from(
    conn: Connection, name: str, start: bytes, age: int, end: bytes | None, limit: int
) -> Sequence[Row[Any]]:
    """All rows after `(start, age)` by key, then newest first; a walk of the primary key."""
    after = tuple_(objects.c.key, objects.c.age) > tuple_(literal(start, LargeBinary), literal(age, BigInteger))
    query = select(objects).where(objects.c.bucket == name, objects.c.key >= start, after)
    return conn.execute(_until(query, end).order_by(objects.c.key, objects.c.age).limit(limit)).all()


def documents_of(conn: Connection, name: str, prefix: str) -> list[tuple[str, bytes]]:
    query = select(documents.c.name, documents.c.body).where(documents.c.bucket == name)
    query = query.where(documents.c.name.startswith(prefix, autoescape=True)).order_by(documents.c.name)
    return [(row.name, bytes(row.body)) for row in conn.execute(query)]


def document(conn: Connection, name: str, which: str) -> bytes | None:
    query = select(documents.c.body).where(documents.c.bucket == name, documents.c.name == which)
    row = conn.execute(query).first()
    return bytes(row.body) if row else None


def set_document(conn: Connection, name: str, which: str, body: bytes | None) -> None:
    conn.execute(delete(documents).where(documents.c.bucket == name, documents.c.name == which))
    if body is not None:
        conn.execute(insert(documents).values(bucket=name, name=which, body=body))


def _is(name: str, key: bytes) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return objects.c.bucket == name, objects.c.key == key


def _until(query: Any, end: bytes | None) -> Any:
    return query if end is None else query.where(objects.c.key < end)
