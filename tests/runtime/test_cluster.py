"""RayBackend on a real Ray cluster: the conformance suite, and what only a cluster does."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.ray_cluster import RayCluster
from tests.runtime.backend_conformance import SLOTS, BackendConformance

from clary.runtime.backend import Backend
from clary.runtime.cluster.backend import RayBackend


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    made = RayCluster(nodes=SLOTS, slots=1)
    yield made
    made.stop()


class TestRay(BackendConformance):
    @pytest.fixture(autouse=True)
    def _on(self, cluster: RayCluster) -> None:
        self.cluster = cluster

    def backend(self, home: Path) -> Backend:
        return RayBackend(home, self.cluster.address)
