"""One server with every companion for the session; each test is an account of its own in it."""

import time
from collections.abc import Iterator

import pytest
from tests import databases
from tests.companions.application_autoscaling.shelf import DIMENSION, SHELF
from tests.companions.tenants import REGION, Site, Tenant
from tests.databases import migrated, postgres, store_url
from tests.harness import serve

from clary.catalogue.fleet import Fleet, Host
from clary.companions import application_autoscaling, cloudwatch, ec2, ecr, iam, kms, logs, pricing, service_quotas, sts
from clary.companions.application_autoscaling import Scalables
from clary.companions.ecr import Images, Repositories
from clary.companions.ecr import Registry as ImageRegistry
from clary.resources.kinds import Kinds
from clary.resources.wake import Wake
from clary.settings import Settings
from clary.wire.models import Models
from clary.wire.operations import Registry

__all__ = ["migrated", "postgres", "store_url"]

COMPANIONS = (iam, sts, logs, cloudwatch, ecr, kms, ec2, service_quotas, pricing, application_autoscaling)
KINDS = tuple(kind for companion in COMPANIONS for kind in companion.CAPABILITY.kinds)
FLEET = Fleet(
    REGION,
    lambda: (
        Host(name="cpu", region=REGION, zone=f"{REGION}a", types=("ml.m5.*", "ml.c5.xlarge")),
        Host(name="gpu", region=REGION, zone=f"{REGION}c", types=("ml.g5.*", "ml.c5.xlarge"), gpus=1),
        Host(name="far", region="eu-west-1", zone="eu-west-1b", types=("ml.t2.medium",)),
    ),
)
KNOWN = {"763104351884": {"pytorch-training": (), "pytorch-inference": ("2.0", "1.0", "3.0")}}


@pytest.fixture(scope="session")
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("companions")
    url = f"sqlite:///{home}/clary.db"
    if databases.POSTGRESQL:
        url = databases._create(request.getfixturevalue("postgres"), "template1")
    site = Site(home, url)
    registry = Registry(entry for companion in COMPANIONS for entry in companion.CAPABILITY.operations)
    repositories = Repositories(lambda region: KNOWN if region == REGION else {})
    images = Images(site.store, home / "registry")
    kept = (site.store, site.keys, site.logs, site.metrics, repositories, images, Kinds(KINDS), Wake(home))
    parts = (Settings(home=home), *kept, Models(), FLEET, Scalables({DIMENSION: SHELF}))
    with serve(registry, *parts, images=ImageRegistry(images, site.keys)) as site.url:
        yield site
    site.store.close()


@pytest.fixture
def tenant(site: Site) -> Tenant:
    return Tenant(site)


class Shifted:
    """The time, `ahead` seconds from now."""

    def __init__(self, ahead: float) -> None:
        self.ahead = ahead

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def minute(site: Site, monkeypatch: pytest.MonkeyPatch) -> Shifted:
    """The site's clock, in the first seconds of a minute: what a test puts in a minute and looks at later is of one."""
    clock = Shifted((5 - time.time()) % -60)
    monkeypatch.setattr(site.store, "clock", clock)
    return clock
