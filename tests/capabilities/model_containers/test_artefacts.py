"""What a container starts from, found in S3 as its definition says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.databases import migrated, postgres, store_url

from clary.capabilities.jobs.landing import Landing
from clary.capabilities.model_containers.artefacts import NoModelData, find
from clary.capabilities.model_containers.keep import Artefacts
from clary.objects import LocalObjects
from clary.resources.database import Database

__all__ = ["migrated", "postgres", "store_url"]

ACCOUNT = "123456789012"
KEYS = ("whole.tar.gz", "one/weights", "one/", "many/a", "many/deep/b", "same/a", "same/a/b", "odd/x//y", "up/../x")


@pytest.fixture
def objects(store_url: str, tmp_path: Path) -> Iterator[LocalObjects]:
    database = Database(store_url)
    stored = LocalObjects(tmp_path / "objects", database)
    stored.create_bucket(ACCOUNT, "us-east-1", "models")
    for key in KEYS:
        stored.put_bytes(ACCOUNT, "models", key, key.encode())
    yield stored
    database.close()


def source(key: str, kind: str = "S3Object", compression: str = "None") -> dict[str, Any]:
    return {"S3DataSource": {"S3Uri": f"s3://models/{key}", "S3DataType": kind, "CompressionType": compression}}


def found(objects: LocalObjects, tmp_path: Path, **container: Any) -> Artefacts:
    landing = Landing(objects, tmp_path / "landed")
    return find(objects, ACCOUNT, {"Image": "i", **container}, 0, landing)


def channel(name: str, *where: str) -> dict[str, Any]:
    return {"ChannelName": name, **source(*where)}


def test_data_of_every_kind_is_found_where_it_lies(objects: LocalObjects, tmp_path: Path) -> None:
    def path(key: str) -> Path:
        stored = objects.find("models", key)
        assert stored and stored.path
        return stored.path

    channels = [
        channel("packed", "whole.tar.gz", "S3Object", "Gzip"),
        channel("draft", "many", "S3Prefix"),
        channel("one", "one/weights"),
    ]
    artefacts = found(
        objects, tmp_path, ModelDataSource=source("one/", "S3Prefix"), AdditionalModelDataSources=channels
    )
    assert artefacts == Artefacts(
        (None, (("weights", path("one/weights")),)),  # type: ignore[arg-type]
        None,
        {
            "packed": (path("whole.tar.gz"), ()),  # type: ignore[dict-item]
            "draft": (None, (("a", path("many/a")), ("deep/b", path("many/deep/b")))),  # type: ignore[dict-item]
            "one": (None, (("weights", path("one/weights")),)),  # type: ignore[dict-item]
        },
    )
    assert found(objects, tmp_path) == Artefacts()


BAD = [
    (("gone", "S3Object"), "Please ensure that there is an object"),
    (("gone/", "S3Prefix"), "Please ensure that there is an object"),
    (("gone.tar.gz", "S3Object", "Gzip"), "Please ensure that there is an object"),
    (("one/", "S3Object"), "cannot be a file name"),
    (("odd/", "S3Prefix"), "cannot be a file name"),
    (("up/", "S3Prefix"), "cannot be a file name"),
    (("same/", "S3Prefix"), "The object keys 'a' and 'a/b' cannot both be file names."),
]


def test_data_that_cannot_be_had(objects: LocalObjects, tmp_path: Path) -> None:
    for where, why in BAD:
        started = f'Failed to download model data for container "container_1" from URL: "s3://models/{where[0]}". '
        for given in ({"ModelDataSource": source(*where)}, {"AdditionalModelDataSources": [channel("c", *where)]}):
            with pytest.raises(NoModelData) as caught:
                found(objects, tmp_path, **given)
            assert str(caught.value).startswith(started)
            assert why in str(caught.value)
