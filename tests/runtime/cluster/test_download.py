"""What nodes fetch from S3 before an instance starts, against a real server."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers import Clary

from clary.runtime.cluster import download as module
from clary.runtime.cluster.download import CannotFetch, download
from clary.runtime.workload import Store

BUCKET = "remote"
NAMES = ("plain", "a b/c+d&e=f", "100%/ü/日本", "x" * 200, "tilde~/(x)!*'$,;:@")


@pytest.fixture(scope="module")
def clary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clary]:
    with Clary(tmp_path_factory.mktemp("remote") / "home") as made:
        made.start()
        made.client("s3").create_bucket(Bucket=BUCKET)
        yield made


@pytest.fixture(scope="module")
def store(clary: Clary) -> Store:
    keys = clary.client_environ()
    return Store(
        endpoint=clary.url,
        region=keys["AWS_REGION"],
        access_key=keys["AWS_ACCESS_KEY_ID"],
        secret=keys["AWS_SECRET_ACCESS_KEY"],
        token=keys.get("AWS_SESSION_TOKEN", ""),
    )


def test_objects_of_any_name_and_size_arrive(clary: Clary, store: Store, tmp_path: Path) -> None:
    bodies = {name: name.encode() * number for number, name in enumerate(NAMES)}
    for name, body in bodies.items():
        clary.client("s3").put_object(Bucket=BUCKET, Key=name, Body=body)
    wanted = [(f"s3://{BUCKET}/{name}", tmp_path / str(number) / "file") for number, name in enumerate(NAMES)]
    for _ in range(2):
        download(store, wanted)
        assert [file.read_bytes() for _, file in wanted] == list(bodies.values())


def test_large_ones_come_in_ranges(clary: Clary, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RANGE_BYTES", 100_000)
    body = os.urandom(1_050_001)
    clary.client("s3").put_object(Bucket=BUCKET, Key="large", Body=body)
    download(store, [(f"s3://{BUCKET}/large", tmp_path / "large")])
    assert (tmp_path / "large").read_bytes() == body


def test_a_missing_object_is_named(store: Store, tmp_path: Path) -> None:
    with pytest.raises(CannotFetch) as refused:
        download(store, [(f"s3://{BUCKET}/none", tmp_path / "none")])
    assert str(refused.value) == f"Data download failed: s3://{BUCKET}/none: 404 Not Found NoSuchKey"


def test_wrong_keys_are_refused(store: Store, tmp_path: Path) -> None:
    wrong = Store(endpoint=store.endpoint, region=store.region, access_key="AKIANOBODY", secret="x", token="")
    with pytest.raises(CannotFetch, match="403"):
        download(wrong, [(f"s3://{BUCKET}/plain", tmp_path / "plain")])
