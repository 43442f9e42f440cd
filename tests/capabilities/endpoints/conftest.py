"""One server for the tests of each module and a real XGBoost artefact."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.capabilities.endpoints.account import Account
from tests.servers import Clary
from tests.serving.artefacts import xgboost_archive


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    return xgboost_archive(tmp_path_factory.mktemp("xgboost"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clary]:
    with Clary(tmp_path_factory.mktemp("endpoints") / "home") as clary:
        yield clary.start()


@pytest.fixture(scope="module")
def account(server: Clary, made: tuple[Path, float]) -> Account:
    return Account(server, made[0])
