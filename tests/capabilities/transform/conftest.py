from collections.abc import Iterator

import pytest
from tests.capabilities.transform.journey import Journey
from tests.servers import Clary


@pytest.fixture(scope="session")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    """A Clary of its own for the transform journeys."""
    with Clary(tmp_path_factory.mktemp("transform") / "home", slots="16", host_metrics_seconds="0.2") as clary:
        clary.start()
        yield Journey(clary, tmp_path_factory.mktemp("models"))
