"""Host names that carry a bucket: S3's virtual-host style. Read by the V2 signature and by the object store."""

import re

_BUCKET_HOST = re.compile(
    r"(?P<bucket>[a-z0-9][a-z0-9.-]{2,})\.(s3[.-]([a-z0-9-]+\.)?amazonaws\.com(\.cn)?|(s3\.)?localhost)(:\d+)?", re.I
)


def bucket_of(host: str) -> str:
    """The bucket named by a `Host` header, or the empty string."""
    found = _BUCKET_HOST.fullmatch(host)
    return found["bucket"].lower() if found else ""
