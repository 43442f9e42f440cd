"""Laying a job's inputs out on this machine before its instances start."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from clary.capabilities.jobs import laying
from clary.capabilities.processing.inputs import Input, inputs, outputs
from clary.capabilities.processing.places import PROCESSING, Staging
from clary.capabilities.processing.plan import cluster
from clary.capabilities.training.channels import BadData, shard
from clary.capabilities.training.hosts import hosts
from clary.objects import Objects
from clary.resources.records import Record
from clary.runtime import listing


def stage(record: Record, jobs: Path, objects: Objects) -> None:
    """Make the folders that `plan` mounts. May be repeated: complete or not there at all. Raises `BadData`."""
    done = Staging(jobs, record.id)
    if done.folder.exists():
        return
    fresh = Staging(jobs, record.id)
    fresh.folder = done.folder.with_name("staging")
    shutil.rmtree(fresh.folder, ignore_errors=True)
    fresh.folder.mkdir(parents=True)
    every = inputs(record.spec)
    for each in every:
        _stage(record, each, fresh, objects)
        for folder in _folders(record, each, fresh):
            _make_room(each, folder, every)
    for output in outputs(record.spec):
        (fresh.skeleton / output.path.relative_to(PROCESSING)).mkdir(parents=True, exist_ok=True)
    fresh.skeleton.mkdir(exist_ok=True)
    fresh.folder.rename(done.folder)


def _stage(record: Record, each: Input, staging: Staging, objects: Objects) -> None:
    find = laying.listed if each.is_manifest else laying.prefixed
    items = find(objects, record.account, each.uri)
    folders = list(_folders(record, each, staging))
    for number, folder in enumerate(folders):
        mine = shard(items, number, len(folders)) if each.sharded else items
        laying.farm(folder, mine)
        listing.write(listing.place(staging.folder, folder), laying.files(mine))


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
