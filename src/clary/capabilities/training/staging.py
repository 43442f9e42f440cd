"""Laying a job's input out on this machine before its instances start: hard links into the object tree, no copies."""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from clary.capabilities.jobs import laying
from clary.capabilities.jobs import staging as jobs_staging
from clary.capabilities.jobs.hosts import hosts
from clary.capabilities.jobs.items import BadData, Item, shard
from clary.capabilities.jobs.laying import Source
from clary.capabilities.training import augmented
from clary.capabilities.training.channels import AUGMENTED, FILE_SYSTEM, MANIFEST, Channel, channels, is_in_folder
from clary.capabilities.training.places import Staging
from clary.capabilities.training.plan import submitted
from clary.objects import Objects, parse_uri
from clary.resources.records import Record
from clary.runtime import listing
from clary.runtime.listing import Listed
from clary.runtime.pipes import File, Piece
from clary.runtime.shim.streams import order


def stage(record: Record, jobs: Path, objects: Objects, *, fetch: bool = True) -> None:
    """Make the folders that `plan` mounts. May be repeated: complete or not there at all. Raises `BadData`.

    `fetch`: bytes that are not on this machine are fetched, which may take long.
    """
    source = Source(objects, record.account, fetch=fetch)
    jobs_staging.stage(Staging(jobs, record.id), source.into(partial(_fill, record, source)))


def is_brief(record: Record) -> bool:
    """Whether there is next to nothing to lay out: at most the user's code."""
    return not record.spec.get("InputDataConfig") and "CheckpointConfig" not in record.spec


def _fill(record: Record, source: Source, staging: Staging) -> None:
    for channel in channels(record.spec):
        if channel.kind == FILE_SYSTEM:
            continue
        if channel.mode == "Pipe":
            _stage_pipe(channel, staging, source)
        else:
            _stage_files(record, channel, staging, source)
    _stage_source(record, staging, source)
    _stage_checkpoints(record, staging, source)


def _stage_files(record: Record, channel: Channel, staging: Staging, source: Source) -> None:
    prefix, items = _items(channel, source)
    if channel.seed is not None:
        items = [items[number] for number in order(len(items), channel.seed, 0)]
    _write_manifest(staging.manifest(channel.name), prefix, (item.uri for item in items))
    if not channel.sharded:
        laying.farm(staging, staging.channel(channel.name, None), items)
        return
    takers = [host for host in hosts(record.spec["ResourceConfig"]) if host.gets(channel.groups)]
    for number, host in enumerate(takers):
        mine = shard(items, number, len(takers)) if channel.seed is None else items[number :: len(takers)]
        laying.farm(staging, staging.channel(channel.name, host.name), mine)


def _stage_pipe(channel: Channel, staging: Staging, source: Source) -> None:
    """All records for all hosts: which of them a host gets may differ from pass to pass."""
    if channel.kind == AUGMENTED:
        prefix, records = channel.uri, _augmented(channel, source)
    else:
        prefix, items = _items(channel, source)
        records = laying.in_a_row(items)
    uris = laying.pipe(staging, staging.pipe(channel.name), records)
    _write_manifest(staging.manifest(channel.name), prefix, uris)


def _augmented(channel: Channel, source: Source) -> Iterator[list[Piece]]:
    def find(uri: str) -> File:
        found = source.named(uri)
        if found is None:
            raise BadData(f"Data download failed: {uri!r} of the augmented manifest {channel.uri} does not exist")
        return found

    file = source.one(channel.uri, "the augmented manifest", now=True)
    return augmented.records(augmented.lines(file, channel.uri), channel, find)


def _items(channel: Channel, source: Source) -> tuple[str, list[Item]]:
    """`(prefix URI, objects)`. Raises `BadData` when there is none."""
    if channel.mode != "FastFile":
        return source.items(channel.uri, is_manifest=channel.kind == MANIFEST)
    bucket, start = parse_uri(channel.uri)
    before = len(f"s3://{bucket}/")
    return source.items(channel.uri, keep=lambda item: is_in_folder(item.uri[before:], start))


def _write_manifest(file: Path, prefix: str, uris: Iterable[str]) -> None:
    """The list that AWS puts beside a channel: the prefix, then every object."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", errors="surrogateescape") as out:
        out.write(f"{prefix}\n")
        out.writelines(f"{uri}\n" for uri in uris)


def _stage_source(record: Record, staging: Staging, source: Source) -> None:
    uri = submitted(record)
    if not uri:
        return
    laying.link(source.one(uri, "the source archive"), staging.source)
    listing.write(listing.place(staging.folder, staging.source), [Listed("", uri)])


def _stage_checkpoints(record: Record, staging: Staging, source: Source) -> None:
    """What lies under the checkpoint address; there need not be anything."""
    config = record.spec.get("CheckpointConfig")
    if config is not None:
        folder = f"{config['S3Uri'].rstrip('/')}/"
        laying.farm(staging, staging.checkpoints, list(source.below(folder)))
