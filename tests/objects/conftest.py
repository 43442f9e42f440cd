from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from tests.databases import empty_url, migrated, postgres, store_url
from tests.harness import CLIENT, OneKey, serve

from clary.objects import LocalObjects
from clary.objects.server import S3
from clary.resources.database import Database
from clary.wire.context import Principal
from clary.wire.models import Models
from clary.wire.operations import Registry
from clary.wire.sigv4 import Key

__all__ = ["empty_url", "migrated", "postgres", "store_url"]

ACCOUNT, OTHER = "123456789012", "210987654321"
BUCKET = "bucket-one"


class TwoKeys(OneKey):
    """The key of `CLIENT`, and one of another account."""

    def find(self, access_key_id: str, session_token: str | None) -> Key:
        if access_key_id == "AKIDOTHER":
            return Key("other-secret", Principal(OTHER, f"arn:aws:iam::{OTHER}:user/eve", "AIDA", "AKIDOTHER"))
        return super().find(access_key_id, session_token)


@dataclass
class Service:
    url: str
    objects: LocalObjects

    def client(self, *, retries: int = 1, region: str = "us-east-1", **config: Any) -> Any:
        setup = Config(retries={"total_max_attempts": retries}, **config)
        return boto3.client("s3", endpoint_url=self.url, config=setup, **CLIENT | {"region_name": region})

    def stranger(self) -> Any:
        keys = {"aws_access_key_id": "AKIDOTHER", "aws_secret_access_key": "other-secret"}
        return boto3.client("s3", endpoint_url=self.url, **CLIENT | keys)


@pytest.fixture
def database(store_url: str) -> Iterator[Database]:
    database = Database(store_url)
    yield database
    database.close()


@pytest.fixture
def objects(tmp_path: Path, database: Database) -> LocalObjects:
    return LocalObjects(tmp_path / "objects", database)


@pytest.fixture
def service(objects: LocalObjects) -> Iterator[Service]:
    with serve(Registry([]), TwoKeys(), s3=S3(objects, Models())) as url:
        yield Service(url, objects)


@pytest.fixture
def s3(service: Service) -> Any:
    """boto3's client, with a bucket made."""
    client = service.client()
    client.create_bucket(Bucket=BUCKET)
    return client
