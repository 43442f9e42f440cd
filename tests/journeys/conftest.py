"""What journeys of one kind share."""

from collections.abc import Iterator

import pytest
from tests.journeys.own_images import SETTINGS, OwnImages
from tests.podman import Podman
from tests.servers import Clary


@pytest.fixture(scope="session")
def own_images(podman: Podman, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnImages]:
    """From a clean home, with a container engine."""
    home = tmp_path_factory.mktemp("own-image") / "home"
    with Clary(home, containers=podman.url, **SETTINGS) as clary:
        yield OwnImages(clary.start(), podman)
