"""One real Ray cluster and one Clary on it for all tests of this folder: both take long to start."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.capabilities.training.journey import Journey
from tests.ray_cluster import PLACE, RayCluster
from tests.runtime.backend_conformance import SLOTS
from tests.servers import Clary


class OnRay(Clary):
    """A Clary whose instances run on the nodes of a cluster."""

    def __init__(self, home: Path, cluster: RayCluster, **settings: str) -> None:
        super().__init__(home, backend="ray", ray_address=cluster.address, **settings)

    def environ(self) -> dict[str, str]:
        found = super().environ()
        return found | {"PYTHONPATH": os.pathsep.join(filter(None, (str(PLACE), found.get("PYTHONPATH"))))}


@pytest.fixture(scope="session")
def cluster() -> Iterator[RayCluster]:
    """A head that takes no instances, and nodes that take one each: a test that cuts one off has another one join."""
    made = RayCluster(nodes=1 + SLOTS, slots=1, head_slots=0)
    yield made
    made.stop()


@pytest.fixture(scope="session")
def on_ray(cluster: RayCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clary]:
    """Its names of jobs and endpoints are shared by all tests; nothing may be left running."""
    with OnRay(tmp_path_factory.mktemp("on-ray") / "home", cluster) as clary:
        yield clary.start()


@pytest.fixture(scope="session")
def journey(on_ray: Clary) -> Journey:
    return Journey(on_ray)
