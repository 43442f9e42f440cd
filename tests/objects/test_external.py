"""An S3 that others run: behind `Objects`, and behind Clary's own endpoint. Here it is a second S3 server of ours."""

import io
import secrets
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from tests.harness import ACCESS_KEY, CLIENT, SECRET, OneKey, serve
from tests.objects.answers import keys, plain, refused
from tests.objects.conftest import ACCOUNT, BUCKET, OTHER, TwoKeys
from tests.ports import free_port

from clary.objects import LocalObjects, Objects
from clary.objects.errors import S3Error
from clary.objects.external import PART_BYTES, ExternalObjects, Unavailable
from clary.objects.relay import Relay
from clary.objects.server import S3
from clary.resources.database import Database
from clary.wire.models import Models
from clary.wire.operations import Registry


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the S3 that others run."""
    home = tmp_path_factory.mktemp("store")
    database = Database(f"sqlite:///{home}/store.db")
    with serve(Registry([]), OneKey(), s3=S3(LocalObjects(home / "objects", database), Models())) as url:
        yield url
    database.close()


@dataclass
class Relayed:
    """Clary's endpoint, before the store."""

    url: str
    store: Any
    external: ExternalObjects

    def client(self, **keys: str) -> Any:
        config = Config(retries={"total_max_attempts": 1})
        return boto3.client("s3", endpoint_url=self.url, config=config, **CLIENT | keys)

    def stranger(self) -> Any:
        return self.client(aws_access_key_id="AKIDOTHER", aws_secret_access_key="other-secret")


@pytest.fixture
def external(store: str, database: Database) -> Iterator[ExternalObjects]:
    made = ExternalObjects(store, "us-east-1", ACCOUNT, database, (ACCESS_KEY, SECRET))
    yield made
    for bucket in boto3.resource("s3", endpoint_url=store, **CLIENT).buckets.all():
        bucket.objects.all().delete()
        bucket.delete()
    made.client.close()


@pytest.fixture
def relayed(store: str, external: ExternalObjects) -> Iterator[Relayed]:
    relay = Relay(external, Models())
    with serve(Registry([]), TwoKeys(), s3=relay) as url:
        yield Relayed(url, boto3.client("s3", endpoint_url=store, **CLIENT), external)
    relay.close()


@pytest.fixture(params=["local", "external"])
def either(request: pytest.FixtureRequest) -> Objects:
    """Both kinds of `Objects`, with a bucket in each."""
    if request.param == "local":
        local: LocalObjects = request.getfixturevalue("objects")
        local.create_bucket(ACCOUNT, "us-east-1", BUCKET)
        return local
    elsewhere: ExternalObjects = request.getfixturevalue("external")
    elsewhere.client.create_bucket(Bucket=BUCKET)
    return elsewhere


def test_what_capabilities_ask(either: Objects, tmp_path: Path) -> None:
    large = secrets.token_bytes(PART_BYTES + 5)
    for key, content in {"a/2": b"two", "a/1 ö?#%.bin": b"", "a/large": large, "b": b"b"}.items():
        file = tmp_path / "file"
        file.write_bytes(content)
        put = either.put_file(ACCOUNT, BUCKET, key, file, content_type="text/plain")
        assert (put.bucket, put.key, put.size, file.exists()) == (BUCKET, key, len(content), False)
    again = either.put_file(ACCOUNT, BUCKET, "b", tmp_path / "file")
    assert (again.key, again.size) == ("b", 1)

    listed = [(found.key, found.size) for found in either.list(BUCKET, "a/")]
    assert listed == [("a/1 ö?#%.bin", 0), ("a/2", 3), ("a/large", len(large))]
    assert [found.key for found in either.list(BUCKET)] == ["a/1 ö?#%.bin", "a/2", "a/large", "b"]
    assert [either.has_prefix(BUCKET, prefix) for prefix in ("", "a", "a/", "c")] == [True, True, True, False]
    assert [either.bucket_exists(*who) for who in ((ACCOUNT, BUCKET), (ACCOUNT, "none-such"), (OTHER, BUCKET))] == [
        True,
        False,
        False,
    ]
    found = [either.find(BUCKET, "b"), either.find(BUCKET, "c"), either.find("none-such", "b")]
    assert [one and one.size for one in found] == [1, None, None]

    either.delete(BUCKET, "b")
    either.delete(BUCKET, "b")
    assert either.find(BUCKET, "b") is None


@pytest.mark.parametrize(
    ("account", "bucket", "key", "code"),
    [
        (OTHER, BUCKET, "k", "AccessDenied"),
        (ACCOUNT, "none-such", "k", "NoSuchBucket"),
        (ACCOUNT, BUCKET, "k" * 1025, "KeyTooLongError"),
    ],
)
def test_what_they_refuse(either: Objects, tmp_path: Path, account: str, bucket: str, key: str, code: str) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(S3Error) as caught:
        either.put_file(account, bucket, key, tmp_path / "file")
    assert (caught.value.code, (tmp_path / "file").exists()) == (code, True)


def test_clients_work_as_with_our_own_store(relayed: Relayed) -> None:
    s3, large = relayed.client(), secrets.token_bytes(9 * 1024 * 1024)
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="a b/ö", Body=b"text", ContentType="text/x", Metadata={"by": "hand"})
    s3.upload_fileobj(io.BytesIO(large), BUCKET, "large")
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "a b/ö"})

    for client in (s3, relayed.store):
        got = client.get_object(Bucket=BUCKET, Key="a b/ö")
        assert (got["Body"].read(), got["ContentType"], got["Metadata"]) == (b"text", "text/x", {"by": "hand"})
        assert client.get_object(Bucket=BUCKET, Key="large")["Body"].read() == large
        assert keys(client.list_objects_v2(Bucket=BUCKET)) == ["a b/ö", "copy", "large"]
        assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == [BUCKET]
    assert s3.get_object(Bucket=BUCKET, Key="large", Range="bytes=5-8")["Body"].read() == large[5:9]
    assert s3.head_object(Bucket=BUCKET, Key="large")["ContentLength"] == len(large)
    assert refused(s3.get_object, Bucket=BUCKET, Key="none") == ("NoSuchKey", 404)

    url = s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": "copy"})
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"text"
    assert refused(s3.delete_bucket, Bucket=BUCKET) == ("BucketNotEmpty", 409)
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in ("a b/ö", "copy", "large")]})
    s3.delete_bucket(Bucket=BUCKET)
    assert plain(s3.list_buckets(), "Owner") == {"Buckets": []}


def test_an_account_has_what_it_made_and_the_first_one_the_rest(relayed: Relayed) -> None:
    relayed.store.create_bucket(Bucket="from-before")
    relayed.store.put_object(Bucket="from-before", Key="k", Body=b"old")
    first, other = relayed.client(), relayed.stranger()
    other.create_bucket(Bucket="of-the-other")
    assert first.get_object(Bucket="from-before", Key="k")["Body"].read() == b"old"
    assert [bucket["Name"] for bucket in first.list_buckets()["Buckets"]] == ["from-before"]
    assert [bucket["Name"] for bucket in other.list_buckets()["Buckets"]] == ["of-the-other"]

    denied = ("AccessDenied", 403)
    assert refused(other.get_object, Bucket="from-before", Key="k") == denied
    source = {"Bucket": "from-before", "Key": "k"}
    assert refused(other.copy_object, Bucket="of-the-other", Key="k", CopySource=source) == denied
    assert refused(first.list_objects_v2, Bucket="of-the-other") == denied
    assert refused(first.list_objects_v2, Bucket="from-before", ExpectedBucketOwner=OTHER) == denied
    assert first.list_objects_v2(Bucket="from-before", ExpectedBucketOwner=ACCOUNT)["KeyCount"] == 1
    assert refused(other.create_bucket, Bucket="from-before") == ("BucketAlreadyExists", 409)


def test_what_was_changed_on_the_way_is_not_passed_on(relayed: Relayed) -> None:
    s3 = relayed.client()
    s3.create_bucket(Bucket=BUCKET)
    wrong = {"Bucket": BUCKET, "Key": "k", "Body": b"other", "ContentMD5": "AAAAAAAAAAAAAAAAAAAAAA=="}
    assert refused(s3.put_object, **wrong) == ("BadDigest", 400)
    assert keys(relayed.store.list_objects_v2(Bucket=BUCKET)) == []


def test_a_store_that_is_away(database: Database, tmp_path: Path) -> None:
    away = ExternalObjects(f"http://127.0.0.1:{free_port()}", "us-east-1", ACCOUNT, database, (ACCESS_KEY, SECRET))
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(Unavailable):
        away.put_file(ACCOUNT, BUCKET, "k", tmp_path / "file")
    relay = Relay(away, Models())
    with serve(Registry([]), OneKey(), s3=relay) as url:
        client = Relayed(url, None, away).client()
        assert refused(client.get_object, Bucket=BUCKET, Key="k") == ("ServiceUnavailable", 503)
        assert refused(client.list_buckets) == ("ServiceUnavailable", 503)
    relay.close()
