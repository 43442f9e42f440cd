"""A channel of very many objects: laid out in little time and memory, without a byte copied."""

import os
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from tests.capabilities.training.records import channel, job
from tests.databases import migrated, postgres, store_url

from clary.capabilities.training import staging
from clary.capabilities.training.places import Staging
from clary.objects import LocalObjects
from clary.objects.tables import objects as rows
from clary.resources.database import Database
from clary.runtime import disks, listing

__all__ = ["migrated", "postgres", "store_url"]

ACCOUNT = "123456789012"
MB = 1 << 20


@pytest.fixture
def stored(store_url: str, tmp_path: Path) -> Iterator[LocalObjects]:
    database = Database(store_url)
    objects = LocalObjects(tmp_path / "objects", database)
    objects.create_bucket(ACCOUNT, "us-east-1", "bucket")
    yield objects
    database.close()
    disks.delete(tmp_path / "jobs")


def fill(objects: LocalObjects, count: int) -> set[int]:
    """So many objects of four files, as copies share theirs; answers the inodes."""
    four = [objects.put_bytes(ACCOUNT, "bucket", f"four/{number}", b"%d" % number).path for number in range(4)]
    with objects.store.write() as conn:
        one = conn.execute(select(rows).limit(1)).one()._asdict()
        keys = (f"many/{number // 1000}/{number}" for number in range(count))
        conn.execute(
            insert(rows),
            [one | {"key": key.encode(), "file": four[at % 4].name} for at, key in enumerate(keys)],
        )
    return {path.stat().st_ino for path in four}


def test_a_hundred_thousand_objects(stored: LocalObjects, tmp_path: Path) -> None:
    inodes = fill(stored, 100_000)
    record = job(InputDataConfig=[channel("train", "s3://bucket/many/")])
    begun = time.process_time()
    staging.stage(record, tmp_path / "jobs", stored)
    assert time.process_time() - begun < 30
    places = Staging(tmp_path / "jobs", record.id)
    folder = places.channel("train", None)
    found = {number: list(os.scandir(folder / str(number))) for number in range(100)}
    assert [len(entries) for entries in found.values()] == [1000] * 100
    assert {entry.inode() for entries in found.values() for entry in entries} == inodes
    with listing.place(places.folder, folder).open() as lines:
        assert sum(1 for _ in lines) == 100_000


@pytest.mark.parametrize("mode", ["File", "Pipe"])
def test_memory_is_a_kilobyte_for_each(stored: LocalObjects, tmp_path: Path, mode: str) -> None:
    fill(stored, 10_000)
    record = job(InputDataConfig=[channel("train", "s3://bucket/many/", InputMode=mode)])
    tracemalloc.start()
    try:
        staging.stage(record, tmp_path / "jobs", stored)
        assert tracemalloc.get_traced_memory()[1] < 10 * MB
    finally:
        tracemalloc.stop()
