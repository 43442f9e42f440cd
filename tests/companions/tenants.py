"""The server's parts as tests see them, and accounts in it."""

import itertools
from pathlib import Path
from typing import Any

import boto3
import msgspec
from botocore.config import Config

from clary.companions.cloudwatch import MetricStore
from clary.companions.iam import KeyRing
from clary.companions.iam.bootstrap import first_start
from clary.companions.logs import LogStore
from clary.resources.store import Store
from clary.settings import Settings

REGION = "us-east-1"

_accounts = itertools.count(100_000_000_000)


class Site:
    """The parts behind the server, for tests that look from inside."""

    def __init__(self, home: Path, url: str) -> None:
        self.home = home
        self.store = Store(url)
        self.keys = KeyRing(self.store, home / "secrets")
        self.logs = LogStore(home / "logs", self.store)
        self.metrics = MetricStore(self.store)
        self.url = ""


class Tenant:
    """An account with the keys of its first start."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.account = str(next(_accounts))
        first_start(Settings(home=site.home, account=self.account), site.store, site.keys)
        self.credentials = msgspec.json.decode((site.home / "secrets/credentials.json").read_bytes())

    def client(self, service: str, given: Any = None, region: str = REGION, **config: Any) -> Any:
        """A boto3 client with these keys (as AWS shows them), or those of the first start."""
        keys = given or {"AccessKeyId": self.credentials["access_key"], "SecretAccessKey": self.credentials["secret"]}
        return boto3.client(
            service,
            endpoint_url=self.site.url,
            region_name=region,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys.get("SessionToken"),
            config=Config(retries={"total_max_attempts": 1}, **config),
        )
