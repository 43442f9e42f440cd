"""A transform job whose instances are on nodes: its drivers run beside the controller and reach them there."""

from pathlib import Path

import pytest
from tests.capabilities.transform.journey import Journey
from tests.servers import Clary

pytestmark = pytest.mark.timeout(600)


def test_transform(on_ray: Clary, tmp_path: Path) -> None:
    journey = Journey(on_ray, tmp_path)
    journey.put("nodes/in/a", "i,a\nj,b\n")
    journey.put("nodes/in/b", "k,c\n")
    journey.create("nodes", instances=2, DataProcessing={"InputFilter": "$[1:]", "JoinSource": "Input"})
    assert journey.finished("nodes", 400)["TransformJobStatus"] == "Completed", journey.told("nodes")
    assert journey.out("nodes") == {"a.out": "i,a,A\nj,b,B\n", "b.out": "k,c,C\n"}
