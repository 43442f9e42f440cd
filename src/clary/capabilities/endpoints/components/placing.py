"""Whether the instances of a variant have room for one more copy of a component, and how many have for all. Pure.

Copies are laid onto instances one by one, the largest first, each onto the first that has room: which is how they are
counted, not where they run, for all instances of a variant are this machine, or alike.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from clary.runtime.workload import Limits

MEGABYTE = 1 << 20
NO_ROOM = (
    "There is not enough hardware resources on the instances to create copies for this inference component. Please "
    "make sure to configure the endpoint with enough instances and instance types with adequate hardware resources."
)
"""AWS's words."""
UNBOUNDED = 1e18


@dataclass(frozen=True, slots=True)
class Need:
    """Of one copy, or what one instance still has."""

    cpus: float
    gpus: float
    memory: float
    """Bytes."""

    def less(self, taken: "Need") -> "Need":
        return replace(
            self, cpus=self.cpus - taken.cpus, gpus=self.gpus - taken.gpus, memory=self.memory - taken.memory
        )

    @property
    def is_there(self) -> bool:
        return self.cpus >= 0 and self.gpus >= 0 and self.memory >= 0


def need(requirements: dict[str, Any]) -> Need:
    """Of ComputeResourceRequirements."""
    return Need(
        requirements.get("NumberOfCpuCoresRequired", 0.0),
        requirements.get("NumberOfAcceleratorDevicesRequired", 0.0),
        requirements["MinMemoryRequiredInMb"] * MEGABYTE,
    )


def capacity(limits: Limits) -> Need:
    """Of one instance."""
    return Need(limits.cpus or UNBOUNDED, limits.gpus, limits.memory_bytes or UNBOUNDED)


def limits(requirements: dict[str, Any], instance: Limits) -> Limits:
    """What one copy may use: the CPUs it asked for, else all of the instance's, and at most its memory."""
    most = requirements.get("MaxMemoryRequiredInMb") or requirements["MinMemoryRequiredInMb"]
    return Limits(
        cpus=requirements.get("NumberOfCpuCoresRequired") or instance.cpus,
        memory_bytes=most * MEGABYTE,
        gpus=int(requirements.get("NumberOfAcceleratorDevicesRequired", 0)),
        processes=instance.processes,
    )


def has_room(wanted: Need, taken: Iterable[Need], each: Need, instances: int) -> bool:
    """`each`: what one of the instances has. One that takes the place of another has no room."""
    there = list(taken)
    return _without([*there, wanted], each, instances) == _without(there, each, instances)


def instances_for(copies: Iterable[Need], each: Need) -> int:
    """How many instances have room for all of these, but for those that not even an empty one has room for."""
    left: list[Need] = []
    for copy in _largest_first(copies):
        if not _lay(copy, left) and (rest := each.less(copy)).is_there:
            left.append(rest)
    return len(left)


def _without(copies: Iterable[Need], each: Need, instances: int) -> int:
    """How many have no room."""
    left = [each] * instances
    return sum(not _lay(copy, left) for copy in _largest_first(copies))


def _largest_first(copies: Iterable[Need]) -> list[Need]:
    return sorted(copies, key=lambda copy: (copy.gpus, copy.memory, copy.cpus), reverse=True)


def _lay(copy: Need, left: list[Need]) -> bool:
    for place, there in enumerate(left):
        rest = there.less(copy)
        if rest.is_there:
            left[place] = rest
            return True
    return False
