"""Which worker runs which tests: those of one folder go to one worker, the folders that take longest first.

A folder's tests share what is dear to make, mostly a whole `clary up`. A pytest plugin.
"""

from pathlib import PurePosixPath

import pytest
from xdist.scheduler import LoadScopeScheduling

LONGEST_FIRST = (
    "tests/journeys",
    "tests/hostile",
    "tests/crash",
    "tests/capabilities/endpoints",
    "tests/capabilities/training",
    "tests/capabilities/processing",
    "tests/runtime",
    "tests/serving/server",
)


class ByFolder(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return _folder(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFolder:
    return ByFolder(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _rank(_folder(item.nodeid)))


def _folder(nodeid: str) -> str:
    return str(PurePosixPath(nodeid.partition("::")[0]).parent)


def _rank(folder: str) -> int:
    return LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)
