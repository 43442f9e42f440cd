"""What shims measure, from their files into CloudWatch: each kind of job reads its hosts' use here.

A shim appends whole lines of JSON; how far each host's file was read is kept in the record.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clary.companions.cloudwatch.store import MetricStore
from clary.resources.records import Record
from clary.runtime.shim.gauge import FILE

READ = "HostMetricsRead"
"""State: by host, how many bytes of its file are in the store."""
MOST_BYTES = 4 * 1024 * 1024
"""Taken in at once; the rest follows at the next look."""


def has_unread(record: Record, folders: Mapping[str, Path]) -> bool:
    """Whether `take_in` has something to do. `folders` are the instances', by host."""
    read = record.state.get(READ, {})
    return any(block(folder / FILE, read.get(host, 0)) for host, folder in folders.items())


def take_in(record: Record, folders: Mapping[str, Path], namespace: str, store: MetricStore) -> dict[str, Any]:
    """Put what is new of each host into the store, with AWS's dimension; returns the state that says so.

    A crash between the two repeats the last values with their own times, which changes no average but their weight.
    """
    read = dict(record.state.get(READ, {}))
    fresh: list[tuple[str, dict[str, str], float, float]] = []
    for host, folder in folders.items():
        found, read[host] = lines(folder / FILE, read.get(host, 0))
        for entry in found:
            at = entry.pop("time")
            fresh += [(name, {"Host": f"{record.name}/{host}"}, value, at) for name, value in entry.items()]
    if fresh:
        store.put(record.account, record.region, namespace, fresh)
    return {READ: read}


def lines(file: Path, start: int) -> tuple[list[dict[str, Any]], int]:
    """Whole lines after `start`, and where they end."""
    whole = block(file, start)
    return [json.loads(line) for line in whole.splitlines()], start + len(whole)


def block(file: Path, start: int) -> bytes:
    """The whole lines after `start`, as bytes."""
    # A shim that was killed may have left the beginning of a line, which never becomes whole.
    if _size(file) <= start:
        return b""
    with file.open("rb") as source:
        source.seek(start)
        found = source.read(MOST_BYTES)
    return found[: found.rfind(b"\n") + 1]


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
