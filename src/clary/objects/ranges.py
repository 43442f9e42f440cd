"""The `Range` header, as far as S3 honours it: one range of bytes."""

import re

from clary.objects.errors import S3Error

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")


def read_range(header: str, size: int) -> tuple[int, int] | None:
    """`(start, end)`, end exclusive; `None` = send it all, also for forms that S3 ignores.

    Raises `InvalidRange` (416) for a range that lies outside.
    """
    match = _RANGE.fullmatch(header.replace(" ", ""))
    if match is None or match[1] + match[2] == "":
        return None
    start, end = _bounds(match[1], match[2], size)
    if match[1] and match[2] and int(match[2]) < int(match[1]):
        return None
    if start >= size or start >= end:
        raise unsatisfiable(header, size)
    return start, end


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:
        return max(size - int(last), 0), size if int(last) else 0
    return int(first), min(int(last) + 1, size) if last else size


def unsatisfiable(header: str, size: int) -> S3Error:
    headers = {"content-range": f"bytes */{size}"}
    return S3Error("InvalidRange", headers=headers, RangeRequested=header, ActualObjectSize=str(size))


def copy_range(header: str, size: int) -> tuple[int, int]:
    """`x-amz-copy-source-range`: both ends are required and must lie inside. Raises `InvalidArgument`."""
    match = _RANGE.fullmatch(header)
    if match is None or not match[1] or not match[2] or int(match[2]) < int(match[1]):
        words = (
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
            "zero-based offsets of the first and last bytes to copy"
        )
        raise S3Error("InvalidArgument", words, ArgumentName="x-amz-copy-source-range", ArgumentValue=header)
    if int(match[2]) >= size:
        words = f"Range specified is not valid for source object of size: {size}"
        raise S3Error("InvalidArgument", words, ArgumentName="x-amz-copy-source-range", ArgumentValue=header)
    return int(match[1]), int(match[2]) + 1
