"""Laying a job's input out on this machine before its instances start: hard links into the object tree, no copies."""

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from clary.capabilities.training.channels import BadData, Channel, Item, channels, checked, manifest, relative, shard
from clary.capabilities.training.hosts import hosts
from clary.capabilities.training.places import Staging
from clary.capabilities.training.plan import submitted
from clary.objects import Objects, parse_uri
from clary.resources.records import Record

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
    prefix, items = _items(record, channel, objects)
    _write_manifest(staging.manifest(channel.name), prefix, items)
    if not channel.sharded:
        _link_all(staging.channel(channel.name, None), items)
        return
    takers = [host for host in hosts(record.spec["ResourceConfig"]) if host.gets(channel.groups)]
    for number, host in enumerate(takers):
        _link_all(staging.channel(channel.name, host.name), shard(items, number, len(takers)))


def _items(record: Record, channel: Channel, objects: Objects) -> tuple[str, list[Item]]:
    """`(prefix URI, objects)`. Raises `BadData` when there is none."""
    prefix, found = channel.uri, _listed(record, channel.uri, objects)
    if channel.kind == "ManifestFile":
        prefix, suffixes = _manifest(record, channel.uri, objects)
        found = _named(record, prefix, suffixes, objects)
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
        info = objects.find(bucket, start + suffix)
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


def _link_all(folder: Path, items: Iterable[Item]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for item in items:
        if not item.path:
            continue
        target = folder / checked(item.path)
        try:
            if item.path.endswith("/"):
                target.mkdir(parents=True, exist_ok=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                link(item.source, target)
        except (FileExistsError, NotADirectoryError):
            raise BadData(f"Data download failed: {item.uri} and another object want the same path") from None


def link(source: Path, target: Path) -> None:
    """A second name for the same bytes; a copy where the file system has no links."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def _write_manifest(file: Path, prefix: str, items: Iterable[Item]) -> None:
    """The list that AWS puts beside a channel: the prefix, then every object."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", errors="surrogateescape") as out:
        out.write(f"{prefix}\n")
        out.writelines(f"{item.uri}\n" for item in items)


def _stage_source(record: Record, staging: Staging, objects: Objects) -> None:
    uri = submitted(record)
    if not uri:
        return
    bucket, key = _own(record, uri, objects)
    info = objects.find(bucket, key)
    if info is None:
        raise BadData(f"Data download failed: the source archive {uri} does not exist")
    link(info.path, staging.source)


def _stage_checkpoints(record: Record, staging: Staging, objects: Objects) -> None:
    """What lies under the checkpoint address; there need not be anything."""
    config = record.spec.get("CheckpointConfig")
    if config is None:
        return
    bucket, key = _own(record, config["S3Uri"], objects)
    prefix = f"{key.rstrip('/')}/" if key else ""
    found = objects.list(bucket, prefix)
    _link_all(
        staging.checkpoints,
        (Item(info.key[len(prefix) :], info.path, f"s3://{bucket}/{info.key}") for info in found),
    )
