"""Timestamps as AWS writes them, to and from epoch seconds (float, with fractions)."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Literal

Format = Literal["unixTimestamp", "iso8601", "rfc822"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = -62135596800.0, 253402300799.999
"""Years 1 to 9999: what every client can read back."""

_RFC822 = re.compile(r"(\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d)(\.\d+)? GMT")


def read(value: str | float, form: Format = "unixTimestamp") -> float:
    """Epoch seconds of a number, or of text in any of the forms. Raises `ValueError`."""
    seconds = value if isinstance(value, int | float) else _read_text(value.strip(), form)
    if isinstance(value, bool) or not FIRST <= seconds <= LAST:
        raise ValueError("timestamp out of range")
    return float(seconds)


def write(seconds: float, form: Format) -> str | int | float:
    """In the given form; fractions are kept to the millisecond and left out when there are none."""
    if form == "unixTimestamp":
        return int(seconds) if seconds == int(seconds) else round(seconds, 3)
    moment = EPOCH + timedelta(milliseconds=round(seconds * 1000))
    fraction = f".{moment.microsecond // 1000:03d}" if moment.microsecond else ""
    if form == "iso8601":
        return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z".rjust(20 + len(fraction), "0")
    return format_datetime(moment, usegmt=True).replace(" GMT", f"{fraction} GMT")


def _read_text(text: str, form: Format) -> float:
    if len(text) > 64:
        raise ValueError("not a timestamp")
    if form == "unixTimestamp" and re.fullmatch(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?", text):
        return float(text)
    if found := _RFC822.fullmatch(text):
        return (parsedate_to_datetime(f"{found[1]} GMT") - EPOCH).total_seconds() + float(found[2] or 0)
    moment = datetime.fromisoformat(text)
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH).total_seconds()
