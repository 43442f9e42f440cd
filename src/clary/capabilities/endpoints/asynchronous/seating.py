"""Which instances of a fleet can take a request now, best first."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from clary.capabilities.endpoints import traffic
from clary.capabilities.endpoints.asynchronous.work import Seat
from clary.capabilities.endpoints.fleet import Fleets
from clary.capabilities.model_containers.plan import HOST
from clary.capabilities.model_containers.spec import PRIMARY, containers
from clary.runtime.backend import Backend


def seats(fleets: Fleets, backend: Backend) -> list[tuple[float, Seat]]:
    """Each instance that gets calls, with its variant's weight."""
    return [
        (
            weight,
            Seat(
                variant.name,
                instance.workload,
                tuple(each.get("ContainerHostname", PRIMARY) for each in containers(variant.model)),
                tuple(backend.socket(workload, HOST) for workload in instance.workloads),
            ),
        )
        for variant, weight, _, _ in traffic.taking(fleets)
        for instance in variant.taking
        if weight > 0
    ]


@dataclass(slots=True)
class Bench:
    """Who sits where: requests under way, by the workload of their instance."""

    taken: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Request to endpoint and workload."""

    def take(self, owner: str, request: str, workload: str) -> None:
        self.taken[request] = (owner, workload)

    def leave(self, request: str) -> None:
        self.taken.pop(request, None)

    def of(self, owner: str) -> list[str]:
        """The endpoint's requests under way."""
        return [request for request, (each, _) in self.taken.items() if each == owner]

    def free(self, offered: Sequence[tuple[float, Seat]], most: int) -> list[Seat]:
        """Seats for as many requests as there is room for, in the order in which they should be taken.

        `most`: requests of one instance at a time. Instances fill evenly, those of heavier variants sooner by chance.
        """
        busy = Counter(workload for _, workload in self.taken.values())
        found = [
            (number, random.expovariate(weight), seat)
            for weight, seat in offered
            for number in range(busy[seat.workload], most)
        ]
        return [seat for _, _, seat in sorted(found, key=lambda each: each[:2])]
