from collections.abc import Iterator

import pytest
from tests.capabilities.compilation.journey import Journey
from tests.servers import Clary
from tests.serving.artefacts import python, xgboost_archive


@pytest.fixture(scope="session")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    """A Clary of its own for the compilation journeys."""
    python("neo")
    model, expected = xgboost_archive(tmp_path_factory.mktemp("xgboost"))
    with Clary(tmp_path_factory.mktemp("compilation") / "home") as clary:
        yield Journey(clary.start(), model, expected)
