from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.databases import empty_url, migrated, postgres, store_url
from tests.resources.conftest import Clock

from clary.capabilities.endpoints.asynchronous.queue import Queue
from clary.resources.store import Store
from clary.resources.wake import Wake

__all__ = ["empty_url", "migrated", "postgres", "store_url"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(store_url: str, clock: Clock, tmp_path: Path) -> Iterator[Queue]:
    store = Store(store_url, clock)
    yield Queue(store, Wake(tmp_path))
    store.close()
