"""Laying a job's input out on this machine before its instances start: hard links into the object tree, no copies."""

import functools
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from clary.capabilities.training import augmented
from clary.capabilities.training.channels import (
    AUGMENTED,
    FILE_SYSTEM,
    BadData,
    Channel,
    Item,
    channels,
    checked,
    is_in_folder,
    manifest,
    relative,
    shard,
)
from clary.capabilities.training.hosts import hosts
from clary.capabilities.training.places import Staging
from clary.capabilities.training.plan import submitted
from clary.objects import Objects, parse_uri
from clary.objects.errors import S3Error
from clary.resources.records import Record
from clary.runtime import listing, pipes
from clary.runtime.listing import Listed
from clary.runtime.shim.streams import FILES, order

LARGEST_MANIFEST = 256 * 1024 * 1024


def stage(record: Record, jobs: Path, objects: Objects) -> None:
    """Make the folders that `plan` mounts. May be repeated: complete or not there at all. Raises `BadData`."""
    done = Staging(jobs, record.id)
    if done.folder.exists():
        return
    fresh = Staging(jobs, record.id)
    fresh.folder = done.folder.with_name("staging")
    shutil.rmtree(fresh.folder, ignore_errors=True)
    fresh.folder.mkdir(parents=True)
    for channel in channels(record.spec):
        _stage_channel(record, channel, fresh, objects)
    _stage_source(record, fresh, objects)
    _stage_checkpoints(record, fresh, objects)
    fresh.folder.rename(done.folder)


def is_brief(record: Record) -> bool:
    """Whether there is next to nothing to lay out: at most the user's code."""
    return not record.spec.get("InputDataConfig") and "CheckpointConfig" not in record.spec


def _stage_channel(record: Record, channel: Channel, staging: Staging, objects: Objects) -> None:
    if channel.kind == FILE_SYSTEM:
        return
    if channel.mode == "Pipe":
        _stage_pipe(record, channel, staging, objects)
        return
    prefix, items = _items(record, channel, objects)
    items = [items[number] for number in order(len(items), channel.seed, 0)]
    _write_manifest(staging.manifest(channel.name), prefix, (item.uri for item in items))
    if not channel.sharded:
        _lay_out(staging, staging.channel(channel.name, None), items)
        return
    takers = [host for host in hosts(record.spec["ResourceConfig"]) if host.gets(channel.groups)]
    for number, host in enumerate(takers):
        mine = shard(items, number, len(takers)) if channel.seed is None else items[number :: len(takers)]
        _lay_out(staging, staging.channel(channel.name, host.name), mine)


def _stage_pipe(record: Record, channel: Channel, staging: Staging, objects: Objects) -> None:
    """All records for all hosts: which of them a host gets may differ from pass to pass."""
    if channel.kind == AUGMENTED:
        prefix, found = channel.uri, _augmented(record, channel, objects)
    else:
        prefix, items = _items(record, channel, objects)
        found = ([pipes.File(item.source, item.uri)] for item in items if item.path and not item.path.endswith("/"))
    folder = staging.pipe(channel.name)
    names = pipes.lay_out(folder, found)
    numbered = (Listed(f"{FILES}/{number}", uri) for number, uri in enumerate(names))
    listing.write(listing.place(staging.folder, folder), numbered)
    _write_manifest(staging.manifest(channel.name), prefix, names)


def _augmented(record: Record, channel: Channel, objects: Objects) -> Iterator[list[pipes.Piece]]:
    bucket, key = _own(record, channel.uri, objects)
    info = objects.find(bucket, key)
    if info is None:
        raise BadData(f"Data download failed: the augmented manifest {channel.uri} does not exist")
    own = functools.cache(lambda bucket: objects.bucket_exists(record.account, bucket))

    def find(uri: str) -> pipes.File:
        try:
            bucket, key = parse_uri(uri)
            info = objects.find(bucket, key) if own(bucket) else None
        except (ValueError, S3Error):
            info = None
        if info is None:
            raise BadData(f"Data download failed: {uri!r} of the augmented manifest {channel.uri} does not exist")
        return pipes.File(info.path, uri)

    return augmented.records(augmented.lines(info.path, channel.uri), channel, find)


def _items(record: Record, channel: Channel, objects: Objects) -> tuple[str, list[Item]]:
    """`(prefix URI, objects)`. Raises `BadData` when there is none."""
    prefix, found = channel.uri, _listed(record, channel.uri, objects)
    if channel.kind == "ManifestFile":
        prefix, suffixes = _manifest(record, channel.uri, objects)
        found = _named(record, prefix, suffixes, objects)
    if channel.mode == "FastFile":
        _, start = _own(record, channel.uri, objects)
        found = (item for item in found if is_in_folder(parse_uri(item.uri)[1], start))
    items = list(found)
    if not items:
        raise BadData(f"No data found. Please check that there is at least one object under {channel.uri}")
    return prefix, items


def _listed(record: Record, uri: str, objects: Objects) -> Iterator[Item]:
    bucket, prefix = _own(record, uri, objects)
    for info in objects.list(bucket, prefix):
        yield Item(relative(info.key, prefix), info.path, f"s3://{bucket}/{info.key}")


def _manifest(record: Record, uri: str, objects: Objects) -> tuple[str, list[str]]:
    bucket, key = _own(record, uri, objects)
    info = objects.find(bucket, key)
    if info is None or info.size > LARGEST_MANIFEST:
        raise BadData(f"Data download failed: the manifest {uri} is missing or too large")
    return manifest(info.path.read_bytes(), uri)


def _named(record: Record, prefix: str, suffixes: Iterable[str], objects: Objects) -> Iterator[Item]:
    bucket, start = _own(record, prefix, objects)
    for suffix in suffixes:
        try:
            info = objects.find(bucket, start + suffix)
        except S3Error:
            # No key can be so long.
            info = None
        if info is None:
            raise BadData(f"Data download failed: {prefix}{suffix} of the manifest does not exist")
        yield Item(suffix, info.path, f"{prefix}{suffix}")


def _own(record: Record, uri: str, objects: Objects) -> tuple[str, str]:
    """Bucket and key of a URI in one of the account's own buckets."""
    try:
        bucket, key = parse_uri(uri)
    except ValueError:
        raise BadData(f"Data download failed: {uri} is not an S3 URI") from None
    if not objects.bucket_exists(record.account, bucket):
        raise BadData(f"Data download failed: bucket {bucket} does not exist or does not belong to the account")
    return bucket, key


def _lay_out(staging: Staging, folder: Path, items: list[Item]) -> None:
    _link_all(folder, items)
    files = (Listed(item.path, item.uri) for item in items if item.path and not item.path.endswith("/"))
    listing.write(listing.place(staging.folder, folder), files)


def _link_all(folder: Path, items: Iterable[Item]) -> None:
    # Plain text and a memory of folders: for many small files, paths cost more than links.
    base, made = str(folder), set[str]()
    folder.mkdir(parents=True, exist_ok=True)
    for item in items:
        if not item.path:
            continue
        path = checked(item.path)
        above = path if item.path.endswith("/") else path.rpartition("/")[0]
        try:
            if above not in made:
                Path(base, above).mkdir(parents=True, exist_ok=True)
                made.add(above)
            if above != path:
                link(item.source, f"{base}/{path}")
        except (FileExistsError, NotADirectoryError):
            raise BadData(f"Data download failed: {item.uri} and another object want the same path") from None


def link(source: Path, target: Path | str) -> None:
    """A second name for the same bytes; a copy where the file system has no links."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def _write_manifest(file: Path, prefix: str, uris: Iterable[str]) -> None:
    """The list that AWS puts beside a channel: the prefix, then every object."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", errors="surrogateescape") as out:
        out.write(f"{prefix}\n")
        out.writelines(f"{uri}\n" for uri in uris)


def _stage_source(record: Record, staging: Staging, objects: Objects) -> None:
    uri = submitted(record)
    if not uri:
        return
    bucket, key = _own(record, uri, objects)
    info = objects.find(bucket, key)
    if info is None:
        raise BadData(f"Data download failed: the source archive {uri} does not exist")
    link(info.path, staging.source)
    listing.write(listing.place(staging.folder, staging.source), [Listed("", uri)])


def _stage_checkpoints(record: Record, staging: Staging, objects: Objects) -> None:
    """What lies under the checkpoint address; there need not be anything."""
    config = record.spec.get("CheckpointConfig")
    if config is None:
        return
    bucket, key = _own(record, config["S3Uri"], objects)
    prefix = f"{key.rstrip('/')}/" if key else ""
    found = objects.list(bucket, prefix)
    items = [Item(info.key[len(prefix) :], info.path, f"s3://{bucket}/{info.key}") for info in found]
    _lay_out(staging, staging.checkpoints, items)
