from collections.abc import Iterator

import pytest
from tests.capabilities.training.journey import Journey
from tests.servers import Clary


@pytest.fixture(scope="session")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    """A Clary of its own for the training journeys."""
    with Clary(tmp_path_factory.mktemp("training") / "home") as clary:
        clary.start()
        yield Journey(clary)
