from collections.abc import Iterator

import pytest
from tests.databases import empty_url, migrated, postgres, store_url

from clary.resources.store import Store

__all__ = ["empty_url", "migrated", "postgres", "store_url"]


class Clock:
    """Stands still until told to move."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def tick(self, seconds: float = 1.0) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(store_url: str, clock: Clock) -> Iterator[Store]:
    store = Store(store_url, clock)
    yield store
    store.close()
