"""Multipart uploads: parts on disk and in the index, and their becoming one object.

Completing must not write a gigabyte a second time. Clients cut a file into equal parts, so the first part to arrive
sets the stride and part n is written at `(n - 1) * stride` of one shared file, `body`; if in the end the parts fill it
from start to end, that file *is* the object. Whatever does not fit this (a part sent again, gaps, uneven sizes) has a
file of its own, and completion then joins the parts inside the kernel (`copy_file_range`).
"""

import fcntl
import os
import secrets
import shutil
import time
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from clary.objects import index
from clary.objects.completion import BODY, Part, Upload, Wanted, check_whole, choose, etag_of, fills_body, whole
from clary.objects.errors import S3Error
from clary.objects.index import NEWEST
from clary.objects.info import Extra, ObjectInfo, decode_extra, encode_extra
from clary.objects.listing import Page, Position, successor, walk
from clary.objects.names import key_bytes
from clary.objects.store import Condition, LocalObjects
from clary.objects.tables import parts, uploads
from clary.objects.tree import Staged

MAX_PARTS = 10_000
MAX_SHARED_BYTES = 1 << 42
"""Below the file size limit of every common filesystem."""


class PartFile:
    """Where a part's bytes go. In the shared body, a lock tells completion that someone still writes."""

    def __init__(self, folder: Path, file: str, offset: int, fd: int) -> None:
        self.file = file
        self.offset = offset
        self.size = 0
        self._path = folder / file
        self._fd = fd

    def write(self, block: bytes) -> None:
        view = memoryview(block)
        while view:
            done = os.pwrite(self._fd, view, self.offset + self.size)
            self.size += done
            view = view[done:]

    def seal(self) -> None:
        os.fdatasync(self._fd)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def discard(self) -> None:
        self.close()
        if self.file != BODY:
            self._path.unlink(missing_ok=True)


class Uploads:
    def __init__(self, objects: LocalObjects) -> None:
        self._objects = objects
        self._store = objects.store
        self._root = objects.tree.uploads
        self.sweep()

    def create(self, bucket: str, key: str, extra: Extra) -> Upload:
        made = Upload(secrets.token_urlsafe(48), bucket, key, time.time(), 0, extra)
        with self._store.write() as conn:
            if index.bucket(conn, bucket, hold=True) is None:
                raise S3Error("NoSuchBucket", BucketName=bucket)
            values = {"id": made.id, "bucket": bucket, "key": key_bytes(key), "started": made.started, "part_size": 0}
            conn.execute(insert(uploads).values(**values, extra=encode_extra(extra)))
        return made

    def find(self, bucket: str, key: str, upload: str) -> Upload:
        """Raises `NoSuchUpload`."""
        query = select(uploads).where(
            uploads.c.id == upload, uploads.c.bucket == bucket, uploads.c.key == key_bytes(key)
        )
        with self._store.read() as conn:
            row = conn.execute(query).first()
        if row is None:
            raise S3Error("NoSuchUpload", UploadId=upload)
        return Upload(row.id, row.bucket, key, row.started, row.part_size, decode_extra(row.extra))

    # --- parts

    def open_part(self, upload: Upload, number: int, size: int) -> PartFile:
        """A place for a part of `size` bytes."""
        folder = self._root / upload.id
        folder.mkdir(exist_ok=True)
        stride = upload.stride or self._set_stride(upload, size)
        if size <= stride and number * stride <= MAX_SHARED_BYTES:
            shared = self._open_shared(folder, number, (number - 1) * stride)
            if shared:
                return shared
        file = f"{number}-{secrets.token_hex(8)}"
        fd = os.open(folder / file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        return PartFile(folder, file, 0, fd)

    def _set_stride(self, upload: Upload, size: int) -> int:
        """The first part to come decides."""
        with self._store.write() as conn:
            conn.execute(
                update(uploads).where(uploads.c.id == upload.id, uploads.c.part_size == 0).values(part_size=size)
            )
            return conn.scalar(select(uploads.c.part_size).where(uploads.c.id == upload.id)) or 0

    def _open_shared(self, folder: Path, number: int, offset: int) -> PartFile | None:
        """The part's stretch of the body, if nobody had it before and no completion has begun."""
        if (folder / "sealed").exists():
            return None
        fd = os.open(folder / BODY, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_SH)
        try:
            if not (folder / "sealed").exists():
                os.close(os.open(folder / f"claim-{number}", os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
                return PartFile(folder, BODY, offset, fd)
        except FileExistsError:
            pass
        os.close(fd)
        return None

    def record(self, upload: Upload, number: int, place: PartFile, etag: str, sums: dict[str, str]) -> Part:
        """Make written bytes the part `number`, instead of what was there. Raises `NoSuchUpload`."""
        made = Part(number, place.size, etag, time.time(), place.file, place.offset, sums)
        try:
            place.seal()
            before = self._replace(upload, made)
        except BaseException:
            place.discard()
            raise
        place.close()
        if before and before.file not in (BODY, made.file):
            (self._root / upload.id / before.file).unlink(missing_ok=True)
        return made

    def _replace(self, upload: Upload, made: Part) -> Part | None:
        with self._store.write(f"s3-upload/{upload.id}") as conn:
            if conn.execute(select(uploads.c.id).where(uploads.c.id == upload.id)).first() is None:
                raise S3Error("NoSuchUpload", UploadId=upload.id)
            where = (parts.c.upload == upload.id, parts.c.number == made.number)
            row = conn.execute(select(parts).where(*where)).first()
            conn.execute(delete(parts).where(*where))
            conn.execute(insert(parts).values(upload=upload.id, **_part_values(made)))
            return _part(row) if row else None

    def parts(self, upload: Upload, after: int = 0, limit: int = MAX_PARTS) -> list[Part]:
        query = select(parts).where(parts.c.upload == upload.id, parts.c.number > after)
        with self._store.read() as conn:
            return [_part(row) for row in conn.execute(query.order_by(parts.c.number).limit(limit))]

    def page(self, bucket: str, prefix: bytes, delimiter: bytes, key: bytes, upload: str, limit: int) -> Page:
        """One page of unfinished uploads by key, then id; after `key`, or after `upload` of it when that is given."""
        end = successor(prefix) if prefix else None
        with self._store.read() as conn:
            rows = [_Waiting(*row) for row in conn.execute(_waiting(bucket, prefix, end))]
        start = (key, upload) if upload else (key + b"\0" if key else b"", "")
        rest = [row for row in rows if (row.key, row.id) > start]
        for age, row in enumerate(rest):
            row.age = age

        def fetch(position: Position, count: int) -> Any:
            return [row for row in rest if (row.key, row.age) > position][:count]

        return walk(fetch, prefix, delimiter, (b"", NEWEST), limit)

    # --- the end of an upload

    def abort(self, upload: Upload) -> None:
        with self._store.write(f"s3-upload/{upload.id}") as conn:
            _forget(conn, upload.id)
        shutil.rmtree(self._root / upload.id, ignore_errors=True)

    def complete(
        self,
        upload: Upload,
        wanted: list[Wanted],
        condition: Condition,
        stated: dict[str, str],
        size: int | None = None,
    ) -> ObjectInfo:
        """`stated` are checksums and `size` the length that the client knows of the whole.

        Raises `InvalidPart`, `InvalidPartOrder`, `EntityTooSmall`, `BadDigest`, `NoSuchUpload` and what `condition`
        raises.
        """
        stored = {part.number: part for part in self.parts(upload)}
        chosen = choose(stored, wanted)
        extra = whole(upload, chosen)
        check_whole(extra, chosen, stated, size)
        staged = self._join(upload, stored, chosen)
        try:
            return self._objects.commit(
                upload.bucket,
                upload.key,
                staged,
                etag_of(chosen),
                extra,
                condition,
                lambda conn: self._end(conn, upload),
            )
        finally:
            self._sweep_one(upload.id)

    def _end(self, conn: Connection, upload: Upload) -> None:
        if not _forget(conn, upload.id):
            raise S3Error("NoSuchUpload", UploadId=upload.id)

    def _join(self, upload: Upload, stored: dict[int, Part], chosen: list[Part]) -> Staged:
        folder = self._root / upload.id
        if fills_body(stored, chosen) and (whole := self._adopt(folder, sum(part.size for part in chosen))):
            return whole
        staged = self._objects.tree.stage()
        try:
            for part in chosen:
                staged.append(folder / part.file, part.offset, part.size)
        except (FileNotFoundError, EOFError):
            # A part was sent again between our look and now.
            staged.discard()
            raise S3Error("InvalidPart") from None
        return staged

    def _adopt(self, folder: Path, size: int) -> Staged | None:
        """The body as the object, unless a part is being written into it at this moment."""
        # A completion that failed before its commit left the file read-only.
        (folder / BODY).chmod(0o600)
        fd = os.open(folder / BODY, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (folder / "sealed").touch()
            os.ftruncate(fd, size)
            return self._objects.tree.link(folder / BODY)
        except BlockingIOError:
            return None
        finally:
            os.close(fd)

    def sweep(self) -> None:
        """Remove the files of uploads that are no more."""
        for folder in self._root.iterdir():
            self._sweep_one(folder.name)

    def _sweep_one(self, upload: str) -> None:
        with self._store.read() as conn:
            known = conn.execute(select(uploads.c.id).where(uploads.c.id == upload)).first()
        if not known:
            shutil.rmtree(self._root / upload, ignore_errors=True)


class _Waiting:
    def __init__(self, upload: str, key: bytes, started: float, extra: bytes) -> None:
        self.id, self.key, self.started, self.extra, self.age = upload, bytes(key), started, decode_extra(extra), 0


def _waiting(bucket: str, prefix: bytes, end: bytes | None) -> Any:
    query = select(uploads.c.id, uploads.c.key, uploads.c.started, uploads.c.extra)
    query = query.where(uploads.c.bucket == bucket, uploads.c.key >= prefix)
    query = query if end is None else query.where(uploads.c.key < end)
    return query.order_by(uploads.c.key, uploads.c.id)


def _forget(conn: Connection, upload: str) -> bool:
    conn.execute(delete(parts).where(parts.c.upload == upload))
    return bool(conn.execute(delete(uploads).where(uploads.c.id == upload)).rowcount)


def _part_values(part: Part) -> dict[str, Any]:
    values = msgspec.structs.asdict(part)
    return values | {"checksums": msgspec.json.encode(part.checksums)}


def _part(row: Any) -> Part:
    sums = msgspec.json.decode(row.checksums, type=dict[str, str])
    return Part(row.number, row.size, row.etag, row.modified, row.file, row.offset, sums)
