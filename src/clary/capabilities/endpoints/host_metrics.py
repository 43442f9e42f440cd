"""What an endpoint's instances use of their hosts, from what shims measure into CloudWatch.

How far a file was read stands beside it: an endpoint that nobody changes is not to be written each minute.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clary.capabilities.endpoints.fleet import Fleets, Variant
from clary.capabilities.endpoints.plan import HOST
from clary.capabilities.jobs.measures import lines
from clary.companions.cloudwatch.store import MetricStore
from clary.resources.records import Record
from clary.runtime.shim.gauge import FILE
from clary.settings import Settings
from clary.wire.context import Parts

NAMESPACE = "/aws/sagemaker/Endpoints"
READ = "host.read"
TAIL_BYTES = 4096
SHARED = ("DiskUtilization", "GPUUtilization", "GPUMemoryUtilization")
"""All containers of an instance see the same disk and devices; the rest is each one's own, and added."""


def take_in(record: Record, fleets: Fleets, parts: Parts) -> None:
    """Put what is new into the store. A crash between that and the note of it repeats the last values."""
    jobs = parts.need(Settings).home / "jobs"
    for each in fleets.present:
        for variant in each.variants:
            # Those that only hold room for inference components run nothing.
            for instance in filter(lambda one: one.workloads, variant.ready):
                _take_in(record, variant, [jobs / name for name in instance.workloads], parts.need(MetricStore))


def _take_in(record: Record, variant: Variant, folders: list[Path], metrics: MetricStore) -> None:
    first, *others = folders
    note = first / READ
    found, end = lines(first / HOST / FILE, _read(note))
    if not found:
        return
    dimensions = {"EndpointName": record.name, "VariantName": variant.name}
    beside = [_latest(other / HOST / FILE) for other in others]
    fresh = [(name, dimensions, value, entry["time"]) for entry in found for name, value in _together([entry, *beside])]
    metrics.put(record.account, record.region, NAMESPACE, fresh)
    fresh_note = note.with_suffix(".new")
    fresh_note.write_text(str(end))
    fresh_note.replace(note)


def _together(entries: list[dict[str, Any]]) -> Iterator[tuple[str, float]]:
    for name in entries[0].keys() - {"time"}:
        values = [entry[name] for entry in entries if name in entry]
        yield name, max(values) if name in SHARED else sum(values)


def _latest(file: Path) -> dict[str, Any]:
    """The last whole line of another container, which is about as old; nothing where there is none yet."""
    try:
        size = file.stat().st_size
        with file.open("rb") as source:
            source.seek(max(0, size - TAIL_BYTES))
            whole = source.read().split(b"\n")[:-1]
    except FileNotFoundError:
        return {}
    found: dict[str, Any] = json.loads(whole[-1]) if whole else {}
    return found


def _read(note: Path) -> int:
    try:
        return int(note.read_text())
    except FileNotFoundError:
        return 0
