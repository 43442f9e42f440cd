"""Laying a job's inputs out on this machine before its instances start."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from clary.capabilities.jobs import laying
from clary.capabilities.jobs import staging as jobs_staging
from clary.capabilities.jobs.hosts import hosts
from clary.capabilities.jobs.items import BadData, shard
from clary.capabilities.jobs.laying import Source
from clary.capabilities.processing.inputs import Input, inputs, outputs
from clary.capabilities.processing.places import PROCESSING, Staging
from clary.capabilities.processing.plan import cluster
from clary.objects import Objects
from clary.resources.records import Record


def stage(record: Record, jobs: Path, objects: Objects, *, fetch: bool = True) -> None:
    """Make the folders that `plan` mounts. May be repeated: complete or not there at all. Raises `BadData`.

    `fetch`: bytes that are not on this machine are fetched, which may take long.
    """
    source = Source(objects, record.account, fetch=fetch)
    jobs_staging.stage(Staging(jobs, record.id), source.into(partial(_fill, record, source)))


def _fill(record: Record, source: Source, staging: Staging) -> None:
    every = inputs(record.spec)
    for each in every:
        if each.is_pipe:
            _, items = source.items(each.uri, is_manifest=each.is_manifest)
            laying.pipe(staging, staging.pipe(each.number), laying.in_a_row(items))
            continue
        _stage_files(record, each, staging, source)
        for folder in _folders(record, each, staging):
            _make_room(each, folder, every)
    for output in outputs(record.spec):
        (staging.skeleton / output.path.relative_to(PROCESSING)).mkdir(parents=True, exist_ok=True)
    staging.skeleton.mkdir(exist_ok=True)


def _stage_files(record: Record, each: Input, staging: Staging, source: Source) -> None:
    _, items = source.items(each.uri, is_manifest=each.is_manifest)
    folders = list(_folders(record, each, staging))
    for number, folder in enumerate(folders):
        laying.farm(staging, folder, shard(items, number, len(folders)) if each.sharded else items)


def _folders(record: Record, each: Input, staging: Staging) -> Iterator[Path]:
    if not each.sharded:
        yield staging.input(each.number, None)
        return
    for host in hosts(cluster(record)):
        yield staging.input(each.number, host.name)


def _make_room(each: Input, folder: Path, every: list[Input]) -> None:
    """Folders on which inputs that lie inside this one are mounted: it is read-only by then."""
    for other in every:
        if other is not each and other.path.is_relative_to(each.path):
            try:
                (folder / other.path.relative_to(each.path)).mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                raise BadData(
                    f"Data download failed: {other.path} of input {other.name} is a file of input {each.name}"
                ) from None
