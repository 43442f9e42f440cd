import json
from collections.abc import Iterator

import pytest
from tests.capabilities.training.journey import FILE_SYSTEM, Journey
from tests.servers import Clary


@pytest.fixture(scope="session")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    """A Clary of its own for the training journeys, with one file system."""
    folder = tmp_path_factory.mktemp("training")
    (folder / FILE_SYSTEM).mkdir()
    with Clary(folder / "home", file_systems=json.dumps({FILE_SYSTEM: str(folder / FILE_SYSTEM)})) as clary:
        clary.start()
        yield Journey(clary)
