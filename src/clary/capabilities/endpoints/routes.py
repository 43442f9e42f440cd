"""Where an endpoint's calls go, as the store says. Cached for a quarter of a second in each server process.

No controller is needed: what it last wrote is what counts, and `tending.DRAIN_SECONDS` is longer than any cache lives.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from clary.capabilities.endpoints import fleet, traffic
from clary.capabilities.endpoints.capture import Capture, capture
from clary.capabilities.endpoints.modelcache import ModelCache
from clary.capabilities.endpoints.serverless.config import of as serverless_config
from clary.capabilities.endpoints.serverless.config import provisioned
from clary.capabilities.endpoints.serverless.on_demand import OnDemand
from clary.capabilities.endpoints.serverless.sizing import slots_file
from clary.capabilities.model_containers.plan import HOST
from clary.capabilities.model_containers.spec import PRIMARY, containers, is_direct, is_multi_model
from clary.resources.records import Record
from clary.resources.store import Store
from clary.runtime.backend import Backend
from clary.serving.gateway import Variant
from clary.serving.order import LEAST_BUSY, RANDOM, Order, PrefixAware

FRESH_SECONDS = 0.25
REMEMBERED = 10_000

Place = tuple[str, str, str]
"""Account, region and name of an endpoint."""


@dataclass(frozen=True, slots=True)
class Route:
    """`shadows` get copies of calls; their weight is the part of them that is copied."""

    id: str
    """Of the endpoint's record."""
    arn: str
    variants: tuple[Variant, ...]
    asynchronous: bool = False
    """Calls come from the queue alone."""
    on_demand: Mapping[tuple[str, str], OnDemand] = field(default_factory=dict)
    """Of serverless variants, by name and configuration."""
    shadows: tuple[Variant, ...] = ()
    capture: Capture | None = None
    hosts: bool = False
    """Its instances run inference components, and each call is for one of them."""


class Routes:
    """`find` is a point read on the event loop at most four times a second for each endpoint."""

    def __init__(
        self,
        store: Store,
        backend: Backend,
        home: Path,
        cache: Callable[[Record, fleet.Variant], ModelCache],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._backend = backend
        self._home = home
        self._cache = cache
        self._clock = clock
        self._known: dict[Place, tuple[float, Route | None]] = {}

    def find(self, account: str, region: str, name: str) -> Route | None:
        """`None` for an endpoint that does not exist or has nothing in service yet."""
        return self._cached((account, region, name), self._read)

    def component(self, account: str, region: str, name: str) -> Route | None:
        """Where the calls of an inference component go, under the ARN of its endpoint; to no variant without copies."""
        return self._cached((account, region, f"component/{name}"), self._read_component)

    def _cached(self, place: Place, read: Callable[[Place], Route | None]) -> Route | None:
        now = self._clock()
        known = self._known.get(place)
        if known is not None and now - known[0] < FRESH_SECONDS:
            return known[1]
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        route = read(place)
        self._known[place] = (now, route)
        return route

    def _read(self, place: Place) -> Route | None:
        record = self._store.get("Endpoint", *place)
        fleets = fleet.load(record.state) if record else None
        if record is None or fleets is None or fleets.serving is None:
            return None
        queued = fleets.serving.asynchronous is not None
        taking = traffic.taking(fleets)
        on_demand = self._on_demand(record, taking)
        variants = tuple(self._variant(record, each) for each in taking)
        return Route(
            record.id,
            record.arn,
            variants if on_demand else tuple(_spared(each, variants) for each in variants),
            queued,
            on_demand,
            tuple(self._shadow(record, fleets.serving, each) for each in fleets.serving.shadows),
            capture(fleets.serving.capture),
            any(fleet.is_host(each.model) for each in fleets.serving.variants),
        )

    def _read_component(self, place: Place) -> Route | None:
        account, region, name = place
        record = self._store.get("InferenceComponent", account, region, name.removeprefix("component/"))
        fleets = fleet.load(record.state) if record else None
        if record is None or fleets is None or fleets.serving is None:
            return None
        variants = tuple(self._variant(record, each) for each in traffic.taking(fleets) if each.variant.count)
        return Route(record.id, record.spec["EndpointArn"], variants)

    def _shadow(self, record: Record, serving: fleet.Fleet, shadow: fleet.Variant) -> Variant:
        whole = sum(each.weight for each in serving.production)
        copied = min(1.0, shadow.weight / whole) if whole else 0.0
        return self._variant(record, traffic.Taking(shadow, copied, 1.0, ""))

    def _on_demand(self, record: Record, taking: Iterable[traffic.Taking]) -> dict[tuple[str, str], OnDemand]:
        return {
            (each.variant.name, each.config): OnDemand(
                record.account,
                record.region,
                record.name,
                record.id,
                slots_file(self._home, record.id, each.variant.name),
                serverless["MaxConcurrency"],
                provisioned(serverless),
                tuple(self._sockets(one) if one.ready else None for one in each.variant.instances),
            )
            for each in taking
            if (serverless := serverless_config(each.variant.production))
        }

    def _variant(self, record: Record, taking: traffic.Taking) -> Variant:
        variant = taking.variant
        names = tuple(definition["ContainerHostname"] for definition in containers(variant.model))
        return Variant(
            variant.name,
            taking.weight,
            tuple(self._sockets(each) for each in variant.taking),
            names or (PRIMARY,),
            is_direct(variant.model),
            taking.share,
            taking.config,
            self._models(record, variant),
            instances=tuple(each.workload for each in variant.taking),
            order=_order(variant.production.get("RoutingConfig", {})),
        )

    def _models(self, record: Record, variant: fleet.Variant) -> ModelCache | None:
        if not variant.instances or not any(map(is_multi_model, containers(variant.model))):
            return None
        return self._cache(record, variant)

    def _sockets(self, instance: fleet.Instance) -> tuple[Path, ...]:
        return tuple(self._backend.socket(workload, HOST) for workload in instance.workloads)


def _spared(variant: Variant, every: tuple[Variant, ...]) -> Variant:
    """While several fleets serve: an instance that has just died costs no call that another fleet can take."""
    like = (each for each in every if each is not variant and each.name == variant.name)
    spare = tuple(sockets for each in like if each.containers == variant.containers for sockets in each.sockets)
    return replace(variant, spare=spare) if spare else variant


def _order(routing: Mapping[str, Any]) -> Order:
    """AWS's default is chance; ours, where nothing is said, is what answers soonest."""
    match routing.get("RoutingStrategy"):
        case "RANDOM":
            return RANDOM
        case "PREFIX_AWARE":
            aware = routing["PrefixAwareRoutingConfig"]
            return PrefixAware(aware["PrefixLength"], aware["ConcurrencyThreshold"])
        case _:
            return LEAST_BUSY
