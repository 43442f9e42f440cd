"""Where an endpoint's calls go, as the store says. Cached for a quarter of a second in each server process.

No controller is needed: what it last wrote is what counts, and `tending.DRAIN_SECONDS` is longer than any cache lives.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clary.capabilities.endpoints import fleet, traffic
from clary.capabilities.endpoints.plan import HOST
from clary.resources.store import Store
from clary.runtime.backend import Backend
from clary.serving.gateway import Variant

FRESH_SECONDS = 0.25
REMEMBERED = 10_000

Place = tuple[str, str, str]
"""Account, region and name of an endpoint."""


@dataclass(frozen=True, slots=True)
class Route:
    arn: str
    variants: tuple[Variant, ...]
    asynchronous: bool = False
    """Calls come from the queue alone."""


class Routes:
    """`find` is a point read on the event loop at most four times a second for each endpoint."""

    def __init__(self, store: Store, backend: Backend, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._backend = backend
        self._clock = clock
        self._known: dict[Place, tuple[float, Route | None]] = {}

    def find(self, account: str, region: str, name: str) -> Route | None:
        """`None` for an endpoint that does not exist or has nothing in service yet."""
        place = (account, region, name)
        now = self._clock()
        known = self._known.get(place)
        if known is not None and now - known[0] < FRESH_SECONDS:
            return known[1]
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        route = self._read(place)
        self._known[place] = (now, route)
        return route

    def _read(self, place: Place) -> Route | None:
        record = self._store.get("Endpoint", *place)
        fleets = fleet.load(record.state) if record else None
        if record is None or fleets is None or fleets.serving is None:
            return None
        queued = fleets.serving.asynchronous is not None
        return Route(record.arn, tuple(map(self._variant, traffic.taking(fleets))), queued)

    def _variant(self, taking: traffic.Taking) -> Variant:
        variant = taking.variant
        containers = tuple(definition["ContainerHostname"] for definition in fleet.containers(variant.model))
        return Variant(
            variant.name,
            taking.weight,
            tuple(self._sockets(each) for each in variant.taking),
            containers or (fleet.PRIMARY,),
            fleet.is_direct(variant.model),
            taking.share,
            taking.config,
        )

    def _sockets(self, instance: fleet.Instance) -> tuple[Path, ...]:
        return tuple(self._backend.socket(workload, HOST) for workload in instance.workloads)
