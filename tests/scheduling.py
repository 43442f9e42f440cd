"""Which worker runs which tests: what shares something dear goes to one worker, what takes longest goes first.

A folder's tests mostly share a whole `clary up`, so a folder is one piece; where they share nothing of weight, and
together take minutes, each file is one. A pytest plugin.
"""

from pathlib import PurePosixPath

import pytest
from xdist.scheduler import LoadScopeScheduling

BY_FILE = ("tests/journeys", "tests/crash", "tests/runtime", "tests/capabilities/endpoints")
LONGEST_FIRST = (
    "tests/journeys/test_journeys.py",
    "tests/journeys/test_several_servers.py",
    "tests/runtime/cluster",
    "tests/capabilities/endpoints/test_updates.py",
    "tests/crash/test_processing.py",
    "tests/capabilities/processing",
    "tests/hostile",
    "tests/capabilities/training",
    "tests/capabilities/endpoints/scaling",
    "tests/capabilities/endpoints",
    "tests/compiler",
    "tests/capabilities/transform",
    "tests/cli",
    "tests/algorithms",
    "tests/serving/server",
    "tests/crash",
    "tests/journeys",
    "tests/runtime",
)


class ByPiece(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return _piece(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByPiece:
    return ByPiece(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _rank(_piece(item.nodeid)))


def _piece(nodeid: str) -> str:
    file = nodeid.partition("::")[0]
    folder = str(PurePosixPath(file).parent)
    return file if folder in BY_FILE else folder


def _rank(piece: str) -> int:
    places = (piece, str(PurePosixPath(piece).parent))
    return next((LONGEST_FIRST.index(place) for place in places if place in LONGEST_FIRST), len(LONGEST_FIRST))
