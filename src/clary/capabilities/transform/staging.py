"""A transform job's objects laid out for its drivers: hard links, dealt out to the hosts in the order of their keys."""

import json
from functools import partial
from pathlib import Path

from clary.capabilities.jobs import staging as jobs_staging
from clary.capabilities.jobs.items import Item, shard
from clary.capabilities.jobs.laying import Source, link
from clary.capabilities.transform.places import Staging
from clary.objects import Objects
from clary.resources.records import Record


def stage(record: Record, jobs: Path, objects: Objects) -> None:
    """May be repeated: complete or not there at all. Raises `BadData`. What is elsewhere is fetched, which takes long.

    Drivers run beside the controller, whatever machine the instances are on.
    """
    source = Source(objects, record.account)
    jobs_staging.stage(Staging(jobs, record.id), source.into(partial(_fill, record, Staging(jobs, record.id), source)))


def hosts(record: Record) -> list[str]:
    """Names of the job's instances."""
    return [f"algo-{number + 1}" for number in range(record.spec["TransformResources"]["InstanceCount"])]


def _fill(record: Record, done: Staging, source: Source, fresh: Staging) -> None:
    """`done`: as `fresh` will be called."""
    wanted = record.spec["TransformInput"]["DataSource"]["S3DataSource"]
    is_manifest = wanted["S3DataType"] == "ManifestFile"
    _, items = source.items(wanted["S3Uri"], is_manifest=is_manifest, keep=lambda item: item.is_file)
    # A manifest may name an object twice; it has one output.
    once = list({item.uri: item for item in items}.values())
    names = hosts(record)
    for number, host in enumerate(names):
        _deal(host, shard(once, number, len(names)), done, fresh)


def _deal(host: str, items: list[Item], done: Staging, fresh: Staging) -> None:
    (fresh.folder / host).mkdir()
    with fresh.items(host).open("w") as lines:
        for number, item in enumerate(items):
            link(item.source, fresh.object(host, number))
            place = str(done.object(host, number))
            told = {"number": number, "name": item.uri.removeprefix("s3://"), "source": place, "path": item.path}
            lines.write(json.dumps(told) + "\n")
