"""RayBackend on a real Ray cluster: the conformance suite, and what only a cluster does."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.ray_cluster import RayCluster
from tests.runtime.backend_conformance import SLOTS, BackendConformance, Bench

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

    def test_endpoints_are_refused_and_told_why(self, bench: Bench) -> None:
        identity = bench.start("python", "-c", "", purpose="serve")
        state = bench.ended(identity)[0]
        assert (state.cause, state.exit_code) == ("platform", None)
        assert "Endpoints do not run on the Ray backend" in state.message
