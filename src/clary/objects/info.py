"""What is known of a bucket and of an object: by anyone, and by the index of our own store."""

from pathlib import Path
from typing import Any

import msgspec


class Bucket(msgspec.Struct, frozen=True):
    name: str
    account: str
    region: str
    created: float
    versioning: str
    """"" (never on), "Enabled" or "Suspended"."""


class PartInfo(msgspec.Struct, frozen=True):
    """A part of a completed multipart object."""

    number: int
    size: int
    checksums: dict[str, str] = {}


class Extra(msgspec.Struct, frozen=True, kw_only=True):
    """What a client gave with the bytes. Header names and checksum algorithms are lower-case."""

    headers: dict[str, str] = {}
    """Stored headers, such as `content-type`, to be sent back as they came."""
    metadata: dict[str, str] = {}
    tags: dict[str, str] = {}
    checksums: dict[str, str] = {}
    """By algorithm (`crc32`, `sha256`, …), base64 as S3 writes it."""
    checksum_type: str = "FULL_OBJECT"
    parts: tuple[PartInfo, ...] = ()
    storage_class: str = "STANDARD"
    upload: str = ""
    """The multipart upload it came from, so that a repeated completion finds it."""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """An S3 and who Clary is there. `endpoint` is a URL without a path, addressed in path style."""

    endpoint: str
    region: str
    access_key: str
    secret: str
    token: str = ""


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """An object, whoever keeps it."""

    bucket: str
    key: str
    size: int
    path: Path | None = None
    """The file on this machine's disk: immutable, read it or link it, never write it. `None`: it is elsewhere."""


class ObjectInfo(Stored, frozen=True, kw_only=True):
    """One version of an object of our own store."""

    version: str
    """ "null" where the bucket had no versioning when it was written."""
    live: bool
    marker: bool
    etag: str
    """Without the quotation marks."""
    modified: float
    age: int
    path: Path
    extra: Extra = Extra()


encode_extra = msgspec.json.Encoder().encode
decode_extra = msgspec.json.Decoder(Extra).decode


def object_info(row: Any, path: Path) -> ObjectInfo:
    """From a row of `tables.objects`."""
    return ObjectInfo(
        bucket=row.bucket,
        key=bytes(row.key).decode(),
        version=row.version,
        live=row.live,
        marker=row.marker,
        size=row.size,
        etag=row.etag,
        modified=row.modified,
        age=row.age,
        path=path,
        extra=decode_extra(row.extra),
    )
