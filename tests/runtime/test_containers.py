"""LocalBackend with real containers: the conformance suite, and what only containers do."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.podman import BASE, Podman
from tests.runtime.backend_conformance import SLOTS, BackendConformance

from clary.runtime.backend import Backend
from clary.runtime.containers.images import Containers
from clary.runtime.local import LocalBackend


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    with Podman(tmp_path_factory.mktemp("podman")) as podman:
        yield podman.start()


class TestContainers(BackendConformance):
    image = BASE

    @pytest.fixture(autouse=True)
    def engine(self, podman: Podman) -> Iterator[None]:
        self.podman = podman
        yield
        assert podman.containers() == []

    def backend(self, home: Path) -> Backend:
        return LocalBackend(home, slots=SLOTS, containers=Containers(self.podman.url, home))
