"""Whether instances have room for one more copy of an inference component."""

from typing import Any

import pytest

from clary.capabilities.endpoints.components.placing import Need, capacity, has_room, instances_for, limits, need
from clary.runtime.workload import Limits

GIB = 1 << 30


def copy(cpus: float = 0.0, gigabytes: float = 1.0, gpus: float = 0.0) -> Need:
    return Need(cpus, gpus, gigabytes * GIB)


@pytest.mark.parametrize(
    ("wanted", "taken", "instances", "fits"),
    [
        (copy(2, 4), [], 1, True),
        (copy(2.5, 1), [], 1, False),
        (copy(1, 1), [copy(1, 1)], 1, True),
        (copy(1, 1), [copy(1, 1), copy(1, 1)], 1, False),
        (copy(1, 1), [copy(1, 1), copy(1, 1)], 2, True),
        (copy(0, 3), [copy(0, 3), copy(0, 2)], 2, False),
        (copy(0, 4), [copy(0, 1), copy(0, 3)], 2, True),
        (copy(0, 1, gpus=1), [], 1, False),
        (copy(0, 0.1), [], 0, False),
    ],
)
def test_copies_are_laid_onto_instances_of_two_cpus_and_four_gigabytes(
    wanted: Need, taken: list[Need], instances: int, fits: bool
) -> None:
    assert has_room(wanted, taken, capacity(Limits(cpus=2, memory_bytes=4 * GIB)), instances) is fits


def test_what_a_copy_needs_and_may_use() -> None:
    asked: dict[str, Any] = {"NumberOfCpuCoresRequired": 0.5, "MinMemoryRequiredInMb": 512}
    assert need(asked) == Need(0.5, 0.0, 512 << 20)
    instance = Limits(cpus=2, memory_bytes=4 * GIB, gpus=1)
    assert limits(asked, instance) == Limits(cpus=0.5, memory_bytes=512 << 20)
    more = {"MinMemoryRequiredInMb": 512, "MaxMemoryRequiredInMb": 1024, "NumberOfAcceleratorDevicesRequired": 1}
    assert limits(more, instance) == Limits(cpus=2, memory_bytes=1 << 30, gpus=1)


@pytest.mark.parametrize(
    ("copies", "instances"),
    [
        ([], 0),
        ([copy(0, 4)], 1),
        ([copy(0, 1), copy(0, 3), copy(0, 4)], 2),
        ([copy(0, 3), copy(0, 3), copy(0, 1), copy(0, 1)], 2),
        ([copy(1, 1)] * 3, 2),
        ([copy(0, 5), copy(0, 1)], 1),
    ],
)
def test_instances_of_two_cpus_and_four_gigabytes_that_copies_need(copies: list[Need], instances: int) -> None:
    each = capacity(Limits(cpus=2, memory_bytes=4 * GIB))
    assert instances_for(copies, each) == instances
    small = [one for one in copies if one.memory <= 4 * GIB]
    assert all(has_room(one, small[:at], each, instances) for at, one in enumerate(small))
