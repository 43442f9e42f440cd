from collections.abc import Iterator

import pytest
from tests.hostile.site import Site
from tests.servers import Clary


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A Clary of its own, with a file beside its home that nobody may ever read."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "secret.txt").write_text("the machine's secret")
    with Clary(folder / "home", processes="300") as clary:
        clary.start()
        yield Site(clary)


@pytest.fixture(autouse=True)
def unharmed(site: Site) -> Iterator[None]:
    """After every test the server answers, and its log holds no traceback."""
    yield
    site.unharmed()
