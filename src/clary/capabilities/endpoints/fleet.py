"""What an endpoint runs, as its record's state keeps it: fleets of variants, each with its instances.

An instance is one workload, so that each can be replaced, added and drained alone. A workload's id is in the store
before it is started: nothing that runs is ever unknown.
"""

import hashlib
from typing import Any

import msgspec

STATE_KEY = "Fleets"


class Instance(msgspec.Struct, kw_only=True, frozen=True):
    """One place of a variant and the workload that fills it now."""

    workload: str
    ready: bool = False
    since: float
    """When it was planned, or became ready."""
    failures: int = 0
    """Starts in a row that ended before the instance had served for a while."""
    not_before: float = 0.0
    proven: bool = False
    """The place has been ready once: from then on it is restarted for ever, not given up."""


class Variant(msgspec.Struct, kw_only=True, frozen=True):
    """`production` is the ProductionVariant of the configuration, `model` the spec of its model, both as they were."""

    name: str
    weight: float
    count: int
    production: dict[str, Any]
    model: dict[str, Any]
    instances: tuple[Instance, ...] = ()
    started: int = 0
    """Workloads planned so far: numbers the next one."""

    @property
    def ready(self) -> tuple[Instance, ...]:
        return tuple(instance for instance in self.instances if instance.ready)

    @property
    def whole(self) -> bool:
        return len(self.ready) == self.count == len(self.instances)


class Fleet(msgspec.Struct, kw_only=True, frozen=True):
    """All variants of one endpoint configuration."""

    config: str
    generation: int
    variants: tuple[Variant, ...]

    @property
    def instances(self) -> tuple[Instance, ...]:
        return tuple(instance for variant in self.variants for instance in variant.instances)

    @property
    def whole(self) -> bool:
        return all(variant.whole for variant in self.variants)


class Retired(msgspec.Struct, kw_only=True, frozen=True):
    """A workload on its way out. It is told to stop at `stop_at`: servers may still send it calls until then."""

    workload: str
    stop_at: float


class Fleets(msgspec.Struct, kw_only=True, frozen=True):
    """`serving` gets the calls; `next` takes its place when it is whole."""

    serving: Fleet | None = None
    next: Fleet | None = None
    retired: tuple[Retired, ...] = ()
    generation: int = 1
    """The highest that a fleet was given; none is given twice, as workloads are named by it."""
    failure: str = ""
    """FailureReason of the endpoint."""

    @property
    def current(self) -> Fleet | None:
        """What Describe shows."""
        return self.serving or self.next


def container(model: dict[str, Any]) -> dict[str, Any]:
    """The one container of a model's spec."""
    found: dict[str, Any] = model.get("PrimaryContainer") or model["Containers"][0]
    return found


def load(state: dict[str, Any]) -> Fleets:
    return msgspec.convert(state.get(STATE_KEY, {}), Fleets)


def dump(fleets: Fleets) -> dict[str, Any]:
    """The part of a record's state that these fleets are."""
    shown = {"FailureReason": fleets.failure} if fleets.failure else {"FailureReason": None}
    return {STATE_KEY: msgspec.to_builtins(fleets), **shown}


def plan_instance(record_id: str, generation: int, variant: str, number: int, now: float) -> Instance:
    return Instance(workload=f"{record_id}-{generation}-{short(variant)}-{number}", since=now)


def short(name: str) -> str:
    """Few characters for a variant's name in a folder's name."""
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def instance_id(workload: str) -> str:
    """What the log stream of an instance is called, in the form of EC2's ids."""
    return "i-" + hashlib.sha256(workload.encode()).hexdigest()[:17]
