"""A server without a controller: jobs and endpoints stay as they were created, and hold their instances."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import msgspec
import pytest
from botocore.config import Config
from tests.databases import of_a_whole_server
from tests.harness import serve_app

from clary.app import Assembly, assemble
from clary.companions.iam import KeyRing
from clary.companions.iam.bootstrap import first_start
from clary.objects import LocalObjects
from clary.objects.server import S3
from clary.resources.store import Store
from clary.settings import Settings
from clary.wire.server import Server

Clients = Callable[..., Any]


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assembly]:
    """The server's parts, for what only a controller would do."""
    made = assemble(Settings(home=tmp_path_factory.mktemp("instances"), **of_a_whole_server()))
    yield made
    made.parts.need(Store).close()


@pytest.fixture(scope="module")
def clients(assembly: Assembly) -> Iterator[Clients]:
    """`clients(service)` is a boto3 client of the first user."""
    parts = assembly.parts
    settings = parts.need(Settings)
    first_start(settings, parts.need(Store), parts.need(KeyRing))
    keys = msgspec.json.decode((settings.home / "secrets/credentials.json").read_bytes())
    s3 = S3(parts.need(LocalObjects), assembly.models)
    with serve_app(Server(assembly.registry, parts, assembly.models, s3)) as url:

        def client(service: str, region: str = "us-east-1") -> Any:
            return boto3.client(
                service,
                endpoint_url=url,
                region_name=region,
                aws_access_key_id=keys["access_key"],
                aws_secret_access_key=keys["secret"],
                config=Config(retries={"total_max_attempts": 1}, max_pool_connections=32),
            )

        yield client


@pytest.fixture(scope="module")
def bucket(clients: Clients) -> str:
    s3 = clients("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="model.tar.gz", Body=b"not looked into")
    return "bucket"
