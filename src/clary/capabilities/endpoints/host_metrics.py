"""What an endpoint's instances, and the copies of inference components, use of their hosts: from what shims measure
into CloudWatch.

How far a file was read stands beside it: an endpoint that nobody changes is not to be written each minute. What was
read is cut off now and then, for an instance may run for years.
"""

import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from clary.capabilities import instances
from clary.capabilities.endpoints.components import placing
from clary.capabilities.endpoints.fleet import Fleets, Variant
from clary.capabilities.jobs.measures import lines
from clary.capabilities.model_containers.plan import HOST
from clary.companions.cloudwatch.store import MetricStore
from clary.resources.records import Record
from clary.runtime.shim.gauge import FILE
from clary.runtime.workload import Limits
from clary.settings import Settings
from clary.wire.context import Parts

NAMESPACE = "/aws/sagemaker/Endpoints"
COPIES = "/aws/sagemaker/InferenceComponents"
READ = "host.read"
TAIL_BYTES = 4096
MOST_BYTES = 64 * 1024
"""Of a file that is kept as it is: some hours."""
SHARED = ("DiskUtilization", "GPUUtilization", "GPUMemoryUtilization")
"""All containers of an instance see the same disk and devices; the rest is each one's own, and added."""

Entry = dict[str, float]


def take_in(record: Record, fleets: Fleets, parts: Parts) -> None:
    """Put what is new into the store. A crash between that and the note of it repeats the last values."""
    for variant, folders in _running(fleets, parts):
        names = {"EndpointName": record.name, "VariantName": variant.name}
        _take_in(record, NAMESPACE, names, folders, lambda entry: entry, parts)


def take_in_copies(record: Record, fleets: Fleets, parts: Parts) -> None:
    """Likewise for an inference component: under AWS's names, in percent of what a copy may use."""
    names = {"InferenceComponentName": record.name}
    for variant, folders in _running(fleets, parts):
        _take_in(record, COPIES, names, folders, partial(_of_copy, record, variant, parts), parts)


def _of_copy(record: Record, variant: Variant, parts: Parts, entry: Entry) -> Entry:
    one = instances.place(parts, record.region, [variant.production["InstanceType"]]).fit.limits
    return normalized(entry, placing.limits(variant.production["ComputeResourceRequirements"], one))


def normalized(entry: Entry, may_use: Limits) -> Entry:
    """A copy's memory is measured against what it may use; the disk is everybody's."""
    most = {
        "CPUUtilization": may_use.cpus or os.cpu_count() or 1,
        "MemoryUtilization": 1,
        "GPUUtilization": max(1, may_use.gpus),
        "GPUMemoryUtilization": max(1, may_use.gpus),
    }
    return {"time": entry["time"]} | {f"{name}Normalized": entry[name] / most[name] for name in most if name in entry}


def _running(fleets: Fleets, parts: Parts) -> Iterator[tuple[Variant, list[Path]]]:
    """The folders of each instance that runs anything: not of those that only hold room for inference components."""
    jobs = parts.need(Settings).home / "jobs"
    for each in fleets.present:
        for variant in each.variants:
            for instance in filter(lambda one: one.workloads, variant.ready):
                yield variant, [jobs / name for name in instance.workloads]


def _take_in(
    record: Record,
    namespace: str,
    names: dict[str, str],
    folders: list[Path],
    tell: Callable[[Entry], Entry],
    parts: Parts,
) -> None:
    note = folders[0] / READ
    file, *others = (folder / HOST / FILE for folder in folders)
    found, end = lines(file, _read(note, file))
    if not found:
        return
    beside = [_latest(other) for other in others]
    told = [tell(dict(_together([entry, *beside])) | {"time": entry["time"]}) for entry in found]
    fresh = [(name, names, value, entry["time"]) for entry in told for name, value in entry.items() if name != "time"]
    parts.need(MetricStore).put(record.account, record.region, namespace, fresh)
    fresh_note = note.with_suffix(".new")
    fresh_note.write_text(str(_cut(file, end)))
    fresh_note.replace(note)
    for other in others:
        _cut(other, 0)


def _together(entries: list[dict[str, Any]]) -> Iterator[tuple[str, float]]:
    for name in entries[0].keys() - {"time"}:
        values = [entry[name] for entry in entries if name in entry]
        yield name, max(values) if name in SHARED else sum(values)


def _latest(file: Path) -> dict[str, Any]:
    """The last whole line of another container, which is about as old; nothing where there is none yet."""
    whole = _tail(file)
    found: dict[str, Any] = json.loads(whole) if whole else {}
    return found


def _cut(file: Path, end: int) -> int:
    """Leaves a file that has grown long its last line; where what was read of it ends now, and not before `end`."""
    if not file.exists() or not file.stat().st_size > MOST_BYTES:
        return end
    rest = file.with_suffix(".rest")
    rest.write_bytes(last := _tail(file) + b"\n")
    # The shim opens it anew for each line; one that it writes right now is lost.
    rest.replace(file)
    return len(last)


def _tail(file: Path) -> bytes:
    """The last whole line."""
    try:
        size = file.stat().st_size
        with file.open("rb") as source:
            source.seek(max(0, size - TAIL_BYTES))
            whole = source.read().split(b"\n")[:-1]
    except FileNotFoundError:
        return b""
    return whole[-1] if whole else b""


def _read(note: Path, file: Path) -> int:
    """How far; from the beginning of a file that was cut by somebody who was killed before noting it."""
    try:
        known = int(note.read_text())
    except FileNotFoundError:
        return 0
    return known if file.exists() and known <= file.stat().st_size else 0
