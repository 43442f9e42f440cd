"""What the crash tests share."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.crash.controllers import Stage
from tests.crash.witness import Witness


@pytest.fixture
def witness() -> Iterator[Witness]:
    with Witness() as witness:
        yield witness


@pytest.fixture
def stage(witness: Witness) -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="clary-") as folder, Stage(Path(folder) / "home", witness) as stage:
        yield stage
