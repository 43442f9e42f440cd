"""What buckets and keys may be called, and the URIs that name them."""

import re
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from clary.objects.errors import S3Error

MAX_KEY_BYTES = 1024
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_RESERVED_STARTS = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_PATH_HOST = re.compile(r"s3[.-]([a-z0-9-]+\.)?amazonaws\.com(\.cn)?")
_BUCKET_HOST = re.compile(r"(?P<bucket>.+?)\.s3[.-]([a-z0-9-]+\.)?amazonaws\.com(\.cn)?")
_MAX_SEGMENT_BYTES = 255


def is_bucket_name(name: str) -> bool:
    """The general purpose bucket rules of the S3 user guide."""
    if not _BUCKET.fullmatch(name) or ".." in name or _ADDRESS.fullmatch(name):
        return False
    return not name.startswith(_RESERVED_STARTS) and not name.endswith(_RESERVED_ENDS)


def key_bytes(key: str) -> bytes:
    """The key as it is ordered and stored. Raises `KeyTooLongError`, `InvalidURI`."""
    try:
        raw = key.encode()
    except UnicodeEncodeError:
        raise S3Error("InvalidURI") from None
    if len(raw) > MAX_KEY_BYTES:
        raise S3Error("KeyTooLongError", Size=str(len(raw)), MaxSizeAllowed=str(MAX_KEY_BYTES))
    return raw


def plain_path(key: str) -> PurePosixPath | None:
    """Where a key is shown below its bucket's folder; `None` for one that is no safe, unambiguous file name."""
    segments = key.split("/")
    if any(not _is_plain(segment) for segment in segments):
        return None
    return PurePosixPath(*segments)


def _is_plain(segment: str) -> bool:
    if segment in ("", ".", "..") or len(segment.encode()) > _MAX_SEGMENT_BYTES:
        return False
    return segment.isprintable()


def parse_uri(uri: str) -> tuple[str, str]:
    """`(bucket, key)` of `s3://b/k` and of the https forms that the SDKs accept for model data. `ValueError` else."""
    parts = urlsplit(uri)
    if parts.scheme == "s3" and parts.netloc:
        # Not `parts.path`: a key may hold `?` and `#`.
        return parts.netloc, uri[len("s3://") + len(parts.netloc) :].removeprefix("/")
    host, path = parts.hostname or "", unquote(parts.path).removeprefix("/")
    if parts.scheme != "https":
        raise ValueError(f"{uri!r} is not an S3 URI")
    if _PATH_HOST.fullmatch(host):
        bucket, _, key = path.partition("/")
        return bucket, key
    if match := _BUCKET_HOST.fullmatch(host):
        return match["bucket"], path
    raise ValueError(f"{uri!r} is not an S3 URI")
