"""Data of an external S3, laid out on this machine or for hosts that fetch it themselves."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.capabilities.training.records import channel, job
from tests.databases import migrated, postgres, store_url
from tests.harness import ACCESS_KEY, CLIENT, SECRET, OneKey, serve

from clary.capabilities.jobs.items import BadData
from clary.capabilities.jobs.landing import Landing
from clary.capabilities.training import staging
from clary.capabilities.training.places import Staging
from clary.objects import LocalObjects
from clary.objects.external import ExternalObjects
from clary.objects.server import S3
from clary.resources.database import Database
from clary.wire.models import Models
from clary.wire.operations import Registry

__all__ = ["migrated", "postgres", "store_url"]

ACCOUNT = "123456789012"


@pytest.fixture
def external(store_url: str, tmp_path: Path) -> Iterator[ExternalObjects]:
    database = Database(store_url)
    with serve(Registry([]), OneKey(), s3=S3(LocalObjects(tmp_path / "store", database), Models())) as url:
        s3 = boto3.client("s3", endpoint_url=url, **CLIENT)
        s3.create_bucket(Bucket="bucket")
        objects = {"in/a": b"1", "in/deep/b c?": b"22", "in/empty": b"", "check/at": b"7"}
        objects |= {"list": b'[{"prefix": "s3://bucket/in/"}, "a", "deep/b c?"]'}
        objects |= {"lines": b'{"source-ref": "s3://bucket/in/a"}\n' * 2, "code.tar.gz": _archive()}
        for key, body in objects.items():
            s3.put_object(Bucket="bucket", Key=key, Body=body)
        made = ExternalObjects(url, "us-east-1", ACCOUNT, database, (ACCESS_KEY, SECRET))
        yield made
        made.client.close()
    database.close()


def _archive() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz"):
        pass
    return out.getvalue()


def record(*channels: Any) -> Any:
    code = {"sagemaker_program": '"train.py"', "sagemaker_submit_directory": '"s3://bucket/code.tar.gz"'}
    more = {"CheckpointConfig": {"S3Uri": "s3://bucket/check"}, "HyperParameters": code}
    return job(InputDataConfig=list(channels), **more)


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def augmented(name: str) -> dict[str, Any]:
    found = channel(name, "s3://bucket/lines", InputMode="Pipe")
    found["DataSource"]["S3DataSource"] |= {"S3DataType": "AugmentedManifestFile", "AttributeNames": ["source-ref"]}
    return found


def listed(name: str) -> dict[str, Any]:
    found = channel(name, "s3://bucket/list")
    found["DataSource"]["S3DataSource"]["S3DataType"] = "ManifestFile"
    return found


@pytest.mark.parametrize("fetch", [True, False])
def test_every_kind_of_input(external: ExternalObjects, tmp_path: Path, fetch: bool) -> None:
    given = record(
        channel("plain", "s3://bucket/in/"),
        listed("listed"),
        channel("piped", "s3://bucket/in/", InputMode="Pipe"),
        augmented("augmented"),
    )
    staging.stage(given, tmp_path / "jobs", external, fetch=fetch)
    places = Staging(tmp_path / "jobs", given.id)

    def there(content: bytes) -> bytes:
        return content if fetch else b""

    assert files(places.channel("plain", None)) == {
        "a": there(b"1"),
        "deep/b c?": there(b"22"),
        "empty": b"",
    }
    assert files(places.channel("listed", None)) == {"a": there(b"1"), "deep/b c?": there(b"22")}
    piped, lines = files(places.pipe("piped")), files(places.pipe("augmented"))
    assert [piped[f"files/{number}"] for number in range(3)] == [there(b"1"), there(b"22"), b""]
    assert {name: body for name, body in lines.items() if name.startswith("files/")} == {"files/0": there(b"1")}
    assert lines["records"] == b"[0]\n[0]\n"
    assert files(places.checkpoints) == {"at": there(b"7")}
    assert bool(places.source.stat().st_size) is fetch
    assert not (places.folder / "fetched").exists()


def test_what_is_deleted_meanwhile(external: ExternalObjects, tmp_path: Path) -> None:
    landing = Landing(external, tmp_path / "fetched")
    paths = [landing.path(found) for found in external.list("bucket", "in/")]
    external.delete("bucket", "in/a")
    landing.fetch(paths[1])
    assert [path.read_bytes() for path in paths] == [b"", b"22", b""]
    with pytest.raises(BadData, match="s3://bucket/in/a: 404 Not Found NoSuchKey"):
        landing.fetch()
