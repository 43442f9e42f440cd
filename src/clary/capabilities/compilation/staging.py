"""Laying the input model out on this machine before the job starts."""

from functools import partial
from pathlib import Path

from clary.capabilities.compilation.places import NAME, Staging
from clary.capabilities.jobs import laying
from clary.capabilities.jobs import staging as jobs_staging
from clary.capabilities.jobs.items import BadData, Item
from clary.capabilities.jobs.laying import Source
from clary.objects import Objects, parse_uri
from clary.resources.records import Record


def stage(record: Record, jobs: Path, objects: Objects, *, fetch: bool = True) -> None:
    """Make the folder that `plan` mounts. May be repeated: complete or not there at all. Raises `BadData`."""
    source = Source(objects, record.account, fetch=fetch)
    jobs_staging.stage(Staging(jobs, record.id), source.into(partial(_fill, record, source)))


def _fill(record: Record, source: Source, staging: Staging) -> None:
    uri = record.spec["InputConfig"]["S3Uri"]
    try:
        path = source.one(uri, "the input model")
    except BadData as error:
        bucket, key = parse_uri(uri)
        raise BadData(f"InputConfiguration: S3 object does not exist. Bucket: {bucket}, Key: {key}") from error
    laying.farm(staging, staging.input, [Item(NAME, path, uri)])
