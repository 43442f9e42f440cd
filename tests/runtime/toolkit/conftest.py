from pathlib import Path

import pytest
from tests.runtime.toolkit.place import RESOURCES, Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    here = Place(tmp_path)
    here.configure("resourceconfig", RESOURCES)
    here.configure("inputdataconfig", {"train": {"TrainingInputMode": "File"}})
    return here
