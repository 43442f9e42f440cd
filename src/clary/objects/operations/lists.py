"""Listing objects (both versions of the call), object versions and unfinished uploads."""

import base64
import binascii
from typing import Any
from urllib.parse import quote

from clary.objects import index
from clary.objects.call import Answer, Call, Operation, owner, quoted
from clary.objects.errors import S3Error
from clary.objects.index import NEWEST
from clary.objects.info import decode_extra
from clary.objects.listing import Page, Position, after_marker
from clary.objects.names import key_bytes

MAX_KEYS = 1000


class Listing:
    """What all listings ask: prefix, delimiter, page size and whether names are to come back URL-encoded."""

    def __init__(self, call: Call, size_member: str) -> None:
        params = call.params
        self.prefix = params.get("Prefix", "")
        self.delimiter = params.get("Delimiter", "")
        self.encoding = params.get("EncodingType", "")
        if self.encoding not in ("", "url"):
            raise S3Error("InvalidArgument", "Invalid Encoding Method specified in Request")
        self.limit = page_size(call, size_member)

    @property
    def bounds(self) -> tuple[bytes, bytes]:
        return self.prefix.encode(), self.delimiter.encode()

    def name(self, text: str) -> str:
        return quote(text, safe="/~()*!'") if self.encoding else text

    def echo(self, size_member: str) -> dict[str, Any]:
        """The members that repeat the question."""
        output: dict[str, Any] = {"Prefix": self.name(self.prefix), size_member: self.limit}
        if self.delimiter:
            output["Delimiter"] = self.name(self.delimiter)
        return output | ({"EncodingType": self.encoding} if self.encoding else {})

    def groups(self, page: Page) -> dict[str, Any]:
        shown = [{"Prefix": self.name(prefix.decode())} for prefix in page.prefixes]
        return {"CommonPrefixes": shown} if shown else {}

    def page(self, call: Call, start: Position) -> Page:
        if not self.limit:
            return Page()
        return call.objects.page(call.bucket.name, *self.bounds, start, self.limit)


def page_size(call: Call, member: str) -> int:
    """How many entries a page has, at most what S3 gives. Raises `InvalidArgument`."""
    asked: int = call.params.get(member, MAX_KEYS)
    if asked < 0:
        raise S3Error("InvalidArgument", f"Argument {member} must be an integer between 0 and 2147483647")
    return min(asked, MAX_KEYS)


def list_objects(call: Call) -> Answer:
    listing = Listing(call, "MaxKeys")
    marker = call.params.get("Marker", "")
    page = listing.page(call, after_marker(key_bytes(marker), *listing.bounds))
    output = listing.echo("MaxKeys") | {"Name": call.bucket.name, "Marker": listing.name(marker)}
    output |= {
        "IsTruncated": page.next is not None,
        "Contents": [_entry(call, listing, row, True) for row in page.rows],
    }
    if page.next is not None and listing.delimiter:
        output["NextMarker"] = listing.name(page.last.decode())
    return Answer(output | listing.groups(page))


def list_objects_v2(call: Call) -> Answer:
    listing = Listing(call, "MaxKeys")
    token, after = call.params.get("ContinuationToken"), call.params.get("StartAfter", "")
    start = _read_token(token) if token is not None else after_marker(key_bytes(after), *listing.bounds)
    page = listing.page(call, start)
    owned = bool(call.params.get("FetchOwner"))
    output = listing.echo("MaxKeys") | {"Name": call.bucket.name, "KeyCount": page.count}
    output |= {
        "IsTruncated": page.next is not None,
        "Contents": [_entry(call, listing, row, owned) for row in page.rows],
    }
    output |= {"ContinuationToken": token} if token is not None else {}
    output |= {"StartAfter": listing.name(after)} if after else {}
    output |= {"NextContinuationToken": _write_token(page.next)} if page.next is not None else {}
    return Answer(output | listing.groups(page))


def list_versions(call: Call) -> Answer:
    listing = Listing(call, "MaxKeys")
    key, version = call.params.get("KeyMarker", ""), call.params.get("VersionIdMarker", "")
    if version and not key:
        raise S3Error("InvalidArgument", "A version-id marker cannot be specified without a key marker.")
    start = _after_version(call, listing, key, version)
    page = Page()
    if listing.limit:
        page = call.objects.versions(call.bucket.name, *listing.bounds, start, listing.limit)
    output = listing.echo("MaxKeys") | {"Name": call.bucket.name, "IsTruncated": page.next is not None}
    output |= {"KeyMarker": listing.name(key), "VersionIdMarker": version}
    output["Versions"] = [_version(call, listing, row) for row in page.rows if not row.marker]
    output["DeleteMarkers"] = [_marker(call, listing, row) for row in page.rows if row.marker]
    if page.next is not None:
        output["NextKeyMarker"] = listing.name(page.last.decode())
        if page.rows and page.rows[-1].key == page.last:
            output["NextVersionIdMarker"] = page.rows[-1].version
    return Answer(output | listing.groups(page))


def list_uploads(call: Call) -> Answer:
    listing = Listing(call, "MaxUploads")
    key, upload = call.params.get("KeyMarker", ""), call.params.get("UploadIdMarker", "")
    page = call.uploads.page(call.bucket.name, *listing.bounds, key_bytes(key), upload if key else "", listing.limit)
    output = listing.echo("MaxUploads") | {"Bucket": call.bucket.name, "IsTruncated": page.next is not None}
    output |= {"KeyMarker": listing.name(key), "UploadIdMarker": upload}
    output["Uploads"] = [_upload(call, listing, row) for row in page.rows]
    if page.next is not None:
        output["NextKeyMarker"] = listing.name(page.last.decode())
        output["NextUploadIdMarker"] = page.rows[-1].id if page.rows and page.rows[-1].key == page.last else ""
    return Answer(output | listing.groups(page))


def _entry(call: Call, listing: Listing, row: Any, owned: bool) -> dict[str, Any]:
    extra = decode_extra(row.extra)
    entry: dict[str, Any] = {
        "Key": listing.name(bytes(row.key).decode()),
        "LastModified": int(row.modified),
        "ETag": quoted(row.etag),
        "Size": row.size,
        "StorageClass": extra.storage_class,
    }
    if extra.checksums:
        entry["ChecksumAlgorithm"] = [name.upper() for name in extra.checksums]
        entry["ChecksumType"] = extra.checksum_type
    return entry | ({"Owner": owner(call.bucket.account)} if owned else {})


def _version(call: Call, listing: Listing, row: Any) -> dict[str, Any]:
    return _entry(call, listing, row, True) | {"VersionId": row.version, "IsLatest": bool(row.live)}


def _marker(call: Call, listing: Listing, row: Any) -> dict[str, Any]:
    key = bytes(row.key)
    with call.objects.store.read() as conn:
        newest = index.newest(conn, call.bucket.name, key)
    return {
        "Key": listing.name(key.decode()),
        "VersionId": row.version,
        "IsLatest": newest is not None and newest.age == row.age,
        "LastModified": int(row.modified),
        "Owner": owner(call.bucket.account),
    }


def _upload(call: Call, listing: Listing, row: Any) -> dict[str, Any]:
    entry = {"UploadId": row.id, "Key": listing.name(row.key.decode()), "Initiated": row.started}
    entry |= {"StorageClass": row.extra.storage_class, "Owner": owner(call.bucket.account)}
    algorithm = next(iter(row.extra.checksums), "")
    return entry | ({"ChecksumAlgorithm": algorithm.upper()} if algorithm else {})


def _after_version(call: Call, listing: Listing, key: str, version: str) -> Position:
    if not version:
        # Without a version the listing goes on behind all versions of the key.
        return after_marker(key_bytes(key), *listing.bounds)
    found = call.objects.find(call.bucket.name, key, version)
    if found is None:
        raise S3Error("InvalidArgument", "Invalid version id specified")
    return key_bytes(key), found.age


def _write_token(position: Position) -> str:
    key, age = position
    return base64.urlsafe_b64encode(key if age == NEWEST else key + b"\0").decode()


def _read_token(token: str) -> Position:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True), NEWEST
    except (binascii.Error, ValueError):
        raise S3Error("InvalidArgument", "The continuation token provided is incorrect") from None


OPERATIONS: dict[str, Operation] = {
    "ListObjects": list_objects,
    "ListObjectsV2": list_objects_v2,
    "ListObjectVersions": list_versions,
    "ListMultipartUploads": list_uploads,
}
