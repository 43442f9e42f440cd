"""The sample payload's archive, held by the job from its start to its end, whatever becomes of the object."""

import os
import shutil
from pathlib import Path

from clary.capabilities.jobs.items import BadData
from clary.capabilities.jobs.landing import Landing
from clary.objects import Objects, parse_uri
from clary.resources.records import Record
from clary.settings import Settings
from clary.wire.context import Parts

NAME = "payload.tar.gz"


def archive(record: Record, parts: Parts) -> Path:
    return _home(record, parts) / NAME


def keep(record: Record, parts: Parts) -> None:
    """A hard link where the object lies on this machine. May be repeated. Raises `BadData`."""
    kept = archive(record, parts)
    if kept.is_file():
        return
    uri = record.spec["InputConfig"]["ContainerConfig"]["PayloadConfig"]["SamplePayloadUrl"]
    objects = parts.need(Objects)
    bucket, key = parse_uri(uri)
    found = objects.find(bucket, key) if objects.bucket_exists(record.account, bucket) else None
    if found is None:
        raise BadData(f"Could not find the sample payload at {uri}.")
    kept.parent.mkdir(parents=True, exist_ok=True)
    landing = Landing(objects, kept.parent / "fetched")
    source = landing.path(found)
    landing.fetch()
    fresh = kept.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    try:
        os.link(source, fresh)
    except OSError:
        # Another file system, or one that has no room for one more link.
        shutil.copyfile(source, fresh)
    fresh.rename(kept)
    landing.close()


def drop(record: Record, parts: Parts) -> None:
    shutil.rmtree(_home(record, parts), ignore_errors=True)


def _home(record: Record, parts: Parts) -> Path:
    return parts.need(Settings).home / "recommendations" / record.id
