"""Conditional requests: the four HTTP headers on reads, on copy sources and on writes."""

from collections.abc import Mapping

from clary.objects.errors import NotModified, S3Error
from clary.objects.info import ObjectInfo
from clary.objects.store import Condition
from clary.wire import timestamps

COPY = "x-amz-copy-source-"


def check_read(info: ObjectInfo, headers: Mapping[str, str], prefix: str = "") -> None:
    """Raises `PreconditionFailed` or `NotModified`. As in RFC 9110, an ETag condition outranks the date beside it."""
    match, since = headers.get(f"{prefix}if-match"), _date(headers.get(f"{prefix}if-unmodified-since"))
    if match is not None:
        if not _matches(match, info.etag):
            raise failed("If-Match")
    elif since is not None and int(info.modified) > since:
        raise failed("If-Unmodified-Since")
    none, since = headers.get(f"{prefix}if-none-match"), _date(headers.get(f"{prefix}if-modified-since"))
    if none is not None:
        if _matches(none, info.etag):
            raise failed("If-None-Match") if prefix else NotModified
    elif since is not None and int(info.modified) <= since:
        raise failed("If-Modified-Since") if prefix else NotModified


def write_condition(headers: Mapping[str, str]) -> Condition:
    """What a PUT, a completed upload or a DELETE demands of the object it replaces."""

    def check(before: ObjectInfo | None) -> None:
        if "if-none-match" in headers and before is not None and _matches(headers["if-none-match"], before.etag):
            raise failed("If-None-Match")
        if "if-match" not in headers:
            return
        if before is None:
            raise S3Error("NoSuchKey")
        if not _matches(headers["if-match"], before.etag):
            raise failed("If-Match")

    return check


def failed(condition: str) -> S3Error:
    return S3Error("PreconditionFailed", Condition=condition)


def _matches(header: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")]
    return "*" in tags or etag in tags


def _date(text: str | None) -> float | None:
    """S3 ignores a date that it cannot read."""
    if text is None:
        return None
    try:
        return timestamps.read(text, "rfc822")
    except ValueError:
        return None
