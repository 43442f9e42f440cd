"""`LocalObjects`: buckets and objects on this machine's disk, beneath the S3 protocol. Synchronous, thread-safe.

A write is: bytes to a staging file, fsync; a durable place (`Tree.publish`); one transaction that makes the index name
it; the view. Killed before the commit there is only the old object, after it only the new one; the staging entry that
is left over is cleared at the next start.
"""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, update
from sqlalchemy.exc import IntegrityError

from clary.objects import index
from clary.objects.errors import S3Error
from clary.objects.index import NEWEST, NULL
from clary.objects.info import Bucket, Extra, ObjectInfo, encode_extra, object_info
from clary.objects.interface import DEFAULT_TYPE, Objects
from clary.objects.listing import Page, Position, successor, walk
from clary.objects.names import is_bucket_name, key_bytes
from clary.objects.tables import buckets
from clary.objects.tree import Staged, Tree
from clary.resources.database import Database

GRACE_SECONDS = 60.0
"""How long the file of a replaced version stays: between finding a path and opening it must be less."""

_PAGE = 1000

Condition = Callable[[ObjectInfo | None], None]
"""Looks at the object that a write would replace; raises to refuse the write."""


def _always(_: ObjectInfo | None) -> None:
    return


class LocalObjects(Objects):
    def __init__(self, root: Path, store: Database) -> None:
        self.store = store
        self.tree = Tree(root)
        self._collected = 0.0
        self._sweep()

    # --- buckets

    def create_bucket(self, account: str, region: str, bucket: str) -> Bucket:
        """Raises `InvalidBucketName`, `BucketAlreadyOwnedByYou`, `BucketAlreadyExists`."""
        if not is_bucket_name(bucket):
            raise S3Error("InvalidBucketName", BucketName=bucket)
        made = Bucket(bucket, account, region, time.time(), "")
        try:
            with self.store.write() as conn:
                conn.execute(insert(buckets).values(**{name: getattr(made, name) for name in Bucket.__struct_fields__}))
        except IntegrityError:
            owner = self.bucket(bucket).account
            code = "BucketAlreadyOwnedByYou" if owner == account else "BucketAlreadyExists"
            raise S3Error(code, BucketName=bucket) from None
        return made

    def bucket(self, name: str) -> Bucket:
        """Raises `NoSuchBucket`."""
        with self.store.read() as conn:
            found = index.bucket(conn, name)
        if found is None:
            raise S3Error("NoSuchBucket", BucketName=name)
        return found

    def bucket_exists(self, account: str, bucket: str) -> bool:
        """Whether the account has this bucket."""
        with self.store.read() as conn:
            found = index.bucket(conn, bucket)
        return found is not None and found.account == account

    def owned(self, account: str, bucket: str) -> Bucket:
        """The bucket, if it is the account's. Raises `NoSuchBucket`, `AccessDenied`."""
        found = self.bucket(bucket)
        if found.account != account:
            raise S3Error("AccessDenied")
        return found

    def buckets(self, account: str, prefix: str = "", after: str = "", limit: int = 10_000) -> list[Bucket]:
        with self.store.read() as conn:
            return index.buckets_of(conn, account, prefix, after, limit)

    def delete_bucket(self, bucket: str) -> None:
        """Raises `BucketNotEmpty`. Unfinished uploads go with it."""
        with self.store.write() as conn:
            if not index.is_empty(conn, bucket):
                raise S3Error("BucketNotEmpty", BucketName=bucket)
            index.drop_bucket(conn, bucket)
            # Again: on PostgreSQL a put may have committed between the first look and the delete.
            if not index.is_empty(conn, bucket):
                raise S3Error("BucketNotEmpty", BucketName=bucket)
        self.tree.forget_bucket(bucket)

    def set_versioning(self, bucket: str, status: str) -> None:
        with self.store.write() as conn:
            conn.execute(update(buckets).where(buckets.c.name == bucket).values(versioning=status))

    def document(self, bucket: str, name: str) -> bytes | None:
        """A configuration document of the bucket, as it was stored."""
        with self.store.read() as conn:
            return index.document(conn, bucket, name)

    def documents(self, bucket: str, prefix: str) -> list[tuple[str, bytes]]:
        with self.store.read() as conn:
            return index.documents_of(conn, bucket, prefix)

    def set_document(self, bucket: str, name: str, body: bytes | None) -> None:
        """`None` deletes it."""
        with self.store.write(f"s3/{bucket}") as conn:
            index.set_document(conn, bucket, name, body)

    # --- reading

    def find(self, bucket: str, key: str, version: str = "") -> ObjectInfo | None:
        """The live version, or the one that is named, which may be a delete marker. The bucket need not exist."""
        raw = key_bytes(key)
        with self.store.read() as conn:
            row = index.versioned(conn, bucket, raw, version) if version else index.live(conn, bucket, raw)
        return self._info(row) if row else None

    def newest(self, bucket: str, key: str) -> ObjectInfo | None:
        """The latest version, be it a delete marker."""
        with self.store.read() as conn:
            row = index.newest(conn, bucket, key_bytes(key))
        return self._info(row) if row else None

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        """Every live object whose key starts with `prefix`, in byte order of the keys."""
        page = Page(next=(b"", NEWEST))
        while page.next is not None:
            page = self.page(bucket, prefix.encode(), b"", page.next, _PAGE)
            yield from (self._info(row) for row in page.rows)

    def has_prefix(self, bucket: str, prefix: str) -> bool:
        """Whether any key starts with `prefix`."""
        start = prefix.encode()
        with self.store.read() as conn:
            return index.any_live(conn, bucket, start, successor(start) if start else None)

    def page(self, bucket: str, prefix: bytes, delimiter: bytes, start: Position, limit: int) -> Page:
        """One page of live rows (`tables.objects`) and common prefixes."""
        end = successor(prefix) if prefix else None
        with self.store.read() as conn:

            def fetch(position: Position, count: int) -> Any:
                key, age = position
                return index.live_from(conn, bucket, key if age == NEWEST else key + b"\0", end, count)

            return walk(fetch, prefix, delimiter, start, limit)

    def versions(self, bucket: str, prefix: bytes, delimiter: bytes, start: Position, limit: int) -> Page:
        """One page of all versions and delete markers, newest first within a key."""
        end = successor(prefix) if prefix else None
        with self.store.read() as conn:

            def fetch(position: Position, count: int) -> Any:
                return index.versions_from(conn, bucket, *position, end, count)

            return walk(fetch, prefix, delimiter, start, limit)

    # --- writing

    def put_file(
        self, account: str, bucket: str, key: str, file: Path, *, content_type: str = DEFAULT_TYPE
    ) -> ObjectInfo:
        """Move a file in, without copying where the filesystem allows. Durable on return.

        May be repeated after a crash: a file that is gone because it was moved in before counts as done.
        """
        self.owned(account, bucket)
        if not file.exists() and (found := self.find(bucket, key)):
            return found
        staged = self.tree.adopt(file)
        try:
            with staged.path.open("rb") as source:
                etag = hashlib.file_digest(source, "md5").hexdigest()
        except BaseException:
            staged.discard()
            raise
        done = self.commit(bucket, key, staged, etag, Extra(headers={"content-type": content_type}))
        file.unlink(missing_ok=True)
        return done

    def put_bytes(
        self,
        account: str,
        bucket: str,
        key: str,
        body: bytes,
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        """As `put_file`, for small bodies."""
        self.owned(account, bucket)
        staged = self.tree.stage()
        staged.write(body)
        extra = Extra(headers={"content-type": DEFAULT_TYPE}, metadata=dict(metadata or {}))
        return self.commit(bucket, key, staged, hashlib.md5(body).hexdigest(), extra)

    def commit(
        self,
        bucket: str,
        key: str,
        staged: Staged,
        etag: str,
        extra: Extra,
        condition: Condition = _always,
        also: Callable[[Connection], None] = lambda _: None,
    ) -> ObjectInfo:
        """Make staged bytes the newest version of a key; `also` is part of the same transaction."""
        raw = key_bytes(key)
        try:
            staged.seal()
            self.tree.publish(staged)
            with self.store.write(_lock(bucket, key)) as conn:
                held = self._hold(conn, bucket)
                before = index.live(conn, bucket, raw)
                condition(self._info(before) if before else None)
                also(conn)
                version = new_version() if held.versioning == "Enabled" else NULL
                values = _values(staged.id, staged.size, etag, extra)
                row = index.add(conn, bucket, raw, version, values)
        except BaseException:
            self.tree.retract(staged)
            raise
        self._show(bucket, key)
        self.tree.settle(staged)
        self.collect()
        return self._info(row)

    def delete(self, bucket: str, key: str, version: str = "", condition: Condition = _always) -> ObjectInfo | None:
        """Delete as S3 does: one named version for good, else the object, by a delete marker where versions are kept.

        Returns what was deleted or the marker that was made; `None` when there was nothing to delete.
        """
        with self.store.write(_lock(bucket, key)) as conn:
            held = self._hold(conn, bucket)
            row = self._delete(conn, held, key_bytes(key), version, condition)
        self._show(bucket, key)
        self.collect()
        return self._info(row) if row else None

    def _delete(self, conn: Connection, held: Bucket, raw: bytes, version: str, condition: Condition) -> Any:
        before = index.versioned(conn, held.name, raw, version) if version else index.live(conn, held.name, raw)
        condition(self._info(before) if before else None)
        if version or not held.versioning:
            return index.remove(conn, held.name, raw, version or NULL)
        made = new_version() if held.versioning == "Enabled" else NULL
        return index.add(conn, held.name, raw, made, _values("", 0, "", Extra(), marker=True))

    def set_extra(self, info: ObjectInfo, extra: Extra) -> None:
        """Replace what is stored beside the bytes of a version."""
        with self.store.write(_lock(info.bucket, info.key)) as conn:
            index.set_extra(conn, info.bucket, key_bytes(info.key), info.age, encode_extra(extra))

    # --- keeping the files in step

    def collect(self, *, every: float = 10.0) -> None:
        """Remove files that no version needs any more, a few at a time; called by whoever happens to write."""
        now = time.time()
        if now - self._collected < every:
            return
        self._collected = now
        with self.store.read() as conn:
            files = index.discarded(conn, now - GRACE_SECONDS, 500)
        for file in files:
            self.tree.remove(file)
        if files:
            with self.store.write() as conn:
                index.forget(conn, files)

    def _sweep(self) -> None:
        def find(file: str) -> tuple[str, str] | None:
            with self.store.read() as conn:
                return index.key_of_file(conn, file)

        self.tree.sweep(find, self._show)
        self.collect(every=0)

    def _show(self, bucket: str, key: str) -> None:
        def current() -> str | None:
            with self.store.read() as conn:
                row = index.live(conn, bucket, key_bytes(key))
            return row.file if row else None

        self.tree.show(bucket, key, current)

    def _hold(self, conn: Connection, bucket: str) -> Bucket:
        found = index.bucket(conn, bucket, hold=True)
        if found is None:
            raise S3Error("NoSuchBucket", BucketName=bucket)
        return found

    def _info(self, row: Any) -> ObjectInfo:
        return object_info(row, self.tree.path(row.file))


def new_version() -> str:
    """32 characters, as S3's are."""
    return base64.b64encode(secrets.token_bytes(24), b"._").decode()


def _lock(bucket: str, key: str) -> str:
    return f"s3/{bucket}/{key}"


def _values(file: str, size: int, etag: str, extra: Extra, *, marker: bool = False) -> dict[str, Any]:
    return {
        "live": not marker,
        "marker": marker,
        "size": size,
        "etag": etag,
        "modified": time.time(),
        "file": file,
        "extra": encode_extra(extra),
    }
