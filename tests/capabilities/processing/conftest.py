from collections.abc import Iterator

import pytest
from tests.capabilities.processing.journey import Journey
from tests.servers import Clary


@pytest.fixture(scope="session")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    """A Clary of its own for the processing journeys."""
    with Clary(tmp_path_factory.mktemp("processing") / "home") as clary:
        clary.start()
        yield Journey(clary)
