"""What every test may use. Heavy things are made when first asked for and once per session or cache."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from tests.podman import Given, Podman
from tests.servers import CACHE, REPOSITORY, Clary

from clary.cli import clients

# Before they are imported: their assertions are the tests of several files.
pytest.register_assert_rewrite("tests.runtime.backend_conformance", "tests.runtime.entering_conformance")

# How long an example takes says how busy the machine is. The same examples each time: whether a change passes is not
# up to chance.
SLOW = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile(
    "suite", hypothesis.settings(), deadline=None, suppress_health_check=SLOW, derandomize=True
)
hypothesis.settings.load_profile("suite")

LOCKS = {
    "sdk-v2": REPOSITORY / "tests/clients/sdk-v2.txt",
    "sdk-v3": REPOSITORY / "src/clary/cli/demo/sdk-v3.txt",
    "awscli": REPOSITORY / "tests/clients/awscli.txt",
}


@pytest.fixture(scope="session")
def clary_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clary]:
    """A running Clary, shared by the tests of one worker."""
    with Clary(tmp_path_factory.mktemp("clary") / "home") as server:
        yield server.start()


@pytest.fixture
def clary_home(tmp_path: Path) -> Iterator[Clary]:
    """A Clary of the test's own, not yet started."""
    with Clary(tmp_path / "home") as server:
        yield server


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """A podman of the worker's own with a base image; without podman its tests are skipped.

    Or the engine that CLARY_TEST_ENGINE names (`unix:///path`).
    """
    given = os.environ.get("CLARY_TEST_ENGINE")
    with Given(given) if given else Podman(tmp_path_factory.mktemp("podman")) as podman:
        yield podman.start()


@pytest.fixture(scope="session")
def client_environment() -> Callable[[str], Path]:
    """The virtual environment of an unmodified client: `sdk-v2`, `sdk-v3` or `awscli`."""
    return lambda name: clients.environment(LOCKS[name], CACHE / "clients")
