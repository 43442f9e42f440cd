"""A record: one resource of one account and region, as the store keeps it."""

import os
import time
from typing import Any

import msgspec


class Record(msgspec.Struct, kw_only=True):
    """`spec` is what the client asked, in AWS's spellings; `state` is what Clary decided and observed since.

    `id` never repeats, so a deleted name may be reused while old work of the same name is still being cleaned up.
    Times are epoch seconds. `version` rises with every write and guards it.
    """

    id: str
    account: str
    region: str
    kind: str
    name: str
    parent: str = ""
    """Name of the record this one belongs to (a model package's group); empty for most kinds."""
    arn: str = ""
    """As shown to clients. Unique, and lower-case as AWS's are, so names that differ in case alone are one."""
    status: str = ""
    spec: dict[str, Any] = {}
    state: dict[str, Any] = {}
    created: float
    modified: float
    version: int = 0
    due: float | None = None
    """When the controller should look at it next; `None` when nothing is left to do."""


# Prepared while one thread imports: msgspec does it at the first use of a class, and crashes if two threads are first.
msgspec.json.Decoder(Record)


class Event(msgspec.Struct, kw_only=True, frozen=True):
    """One transition: the source of `SecondaryStatusTransitions`, timelines and the audit trail."""

    record: str
    at: float
    status: str
    detail: str = ""
    """Finer status where a kind has one, e.g. a training job's SecondaryStatus."""
    message: str = ""


def new_id() -> str:
    """24 hexadecimal digits: milliseconds, then chance. Never repeats and rises with time."""
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(6).hex()}"
