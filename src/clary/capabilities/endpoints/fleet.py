"""What an endpoint runs, as its record's state keeps it: fleets of variants, each with its instances.

An instance is one workload for each container of the model, so that each instance can be replaced, added and drained
alone. What its workloads are called follows from what is in the store before they are started: nothing that runs is
ever unknown.
"""

import hashlib
from collections.abc import Set
from typing import Any

import msgspec

from clary.capabilities.endpoints.deployment import Deployment
from clary.capabilities.model_containers.spec import container_workload, containers

STATE_KEY = "Fleets"
DEPLOYED_KEY = "LastDeploymentConfig"
CONFIG_KEY = "ShownConfig"
"""The configuration that was shown last, for an endpoint that has no fleet any more."""


class Instance(msgspec.Struct, kw_only=True, frozen=True):
    """One place of a variant and the workloads that fill it now."""

    workload: str
    """That of the first container; the others are called after it."""
    ready: bool = False
    since: float
    """When it was planned, or became ready."""
    failures: int = 0
    """Starts in a row that ended before the instance had served for a while."""
    not_before: float = 0.0
    waiting: float = 0.0
    """Since when there has been no room to start it; 0 when there was none to wait for."""
    proven: bool = False
    """The place has been ready once: from then on it is restarted for ever, not given up."""
    containers: int = 1
    """None of one that is there for the copies of inference components."""

    @property
    def workloads(self) -> tuple[str, ...]:
        """In the order of the model's containers."""
        return tuple(container_workload(self.workload, number) for number in range(self.containers))


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
    shadow: bool = False
    """It gets copies of calls, and its answers go to nobody; kept running like any other."""
    before: tuple[int, float] | None = None
    """Count and weight to go back to, while those that were asked for are being brought about."""
    limit: int | None = None
    """How many of `count` there are to be now, while a rolling update replaces them; `None`: all."""
    active: int | None = None
    """How many of those that are ready get calls, while an update shifts traffic; `None`: all."""
    share: float = 1.0
    """The part of the variant's calls that come to this fleet."""
    spare: float = 0.0
    """Since when it has had more instances than copies of inference components need; 0: it has not."""

    @property
    def target(self) -> int:
        """Instances that there are to be now."""
        return self.count if self.limit is None else min(self.limit, self.count)

    @property
    def taking(self) -> tuple[Instance, ...]:
        """The instances that get calls."""
        return self.ready[: self.active]

    @property
    def ready(self) -> tuple[Instance, ...]:
        return tuple(instance for instance in self.instances if instance.ready)

    @property
    def whole(self) -> bool:
        return len(self.ready) == self.target == len(self.instances)


class Fleet(msgspec.Struct, kw_only=True, frozen=True):
    """All variants of one endpoint configuration."""

    config: str
    generation: int
    variants: tuple[Variant, ...]
    """Shadows too; `production` are those that answer."""
    capture: dict[str, Any] | None = None
    """The configuration's DataCaptureConfig."""
    asynchronous: dict[str, Any] | None = None
    """The configuration's AsyncInferenceConfig: calls come from the queue alone."""

    @property
    def production(self) -> tuple[Variant, ...]:
        return tuple(variant for variant in self.variants if not variant.shadow)

    @property
    def shadows(self) -> tuple[Variant, ...]:
        return tuple(variant for variant in self.variants if variant.shadow)

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
    """`serving` gets the calls; `next` takes its place, at once when it is whole or in the steps of `deployment`."""

    serving: Fleet | None = None
    next: Fleet | None = None
    stranded: Fleet | None = None
    """What a rollback that failed left of a newer fleet: it takes a part of the calls beside `serving`."""
    deployment: Deployment | None = None
    """The update under way."""
    retired: tuple[Retired, ...] = ()
    generation: int = 1
    """The highest that a fleet was given; none is given twice, as workloads are named by it."""
    failure: str = ""
    """FailureReason of the endpoint."""

    @property
    def present(self) -> tuple[Fleet, ...]:
        return tuple(each for each in (self.serving, self.stranded, self.next) if each)

    @property
    def instances(self) -> tuple[Instance, ...]:
        return tuple(instance for each in self.present for instance in each.instances)

    @property
    def waiting(self) -> tuple[Instance, ...]:
        """Those that were told to wait for room."""
        return tuple(instance for instance in self.instances if instance.waiting)

    @property
    def current(self) -> Fleet | None:
        """What Describe shows."""
        return self.serving or self.next


# Prepared while one thread imports: msgspec does it at the first use of a class, and crashes if two threads are first.
msgspec.json.Decoder(Fleets)


def is_host(model: dict[str, Any]) -> bool:
    """Whether a variant has no model of its own: its instances are for inference components."""
    return bool(model.get("Hosts"))


def load(state: dict[str, Any]) -> Fleets:
    return msgspec.convert(state.get(STATE_KEY, {}), Fleets)


def dump(fleets: Fleets) -> dict[str, Any]:
    """The part of a record's state that these fleets are."""
    shown: dict[str, Any] = {"FailureReason": fleets.failure or None}
    if fleets.current:
        shown[CONFIG_KEY] = fleets.current.config
    return {STATE_KEY: msgspec.to_builtins(fleets), **shown}


def await_room(fleets: Fleets, workloads: Set[str], now: float) -> Fleets:
    """With these workloads marked as waiting since now, where they were not already."""

    def marked(instance: Instance) -> Instance:
        begins = instance.workload in workloads and not instance.waiting
        return msgspec.structs.replace(instance, waiting=now) if begins else instance

    def each(found: Fleet | None) -> Fleet | None:
        if found is None:
            return None
        variants = (
            msgspec.structs.replace(variant, instances=tuple(map(marked, variant.instances)))
            for variant in found.variants
        )
        return msgspec.structs.replace(found, variants=tuple(variants))

    fleets = msgspec.structs.replace(fleets, stranded=each(fleets.stranded))
    return msgspec.structs.replace(fleets, serving=each(fleets.serving), next=each(fleets.next))


def plan_instance(record_id: str, generation: int, variant: Variant, number: int, now: float) -> Instance:
    workload = f"{instance_variant(record_id, generation, variant.name)}{number}"
    alone = 0 if is_host(variant.model) else 1
    return Instance(workload=workload, since=now, containers=len(containers(variant.model)) or alone)


def instance_variant(record_id: str, generation: int, variant: str) -> str:
    """What the workloads of a variant of a fleet begin with."""
    return f"{record_id}-{generation}-{short(variant)}-"


def variant_of(record_id: str, workload: str) -> str:
    """What is the same for all instances of one variant of one fleet, and for no others of its endpoint."""
    return workload.removeprefix(f"{record_id}-").rpartition("-")[0]


def home(generation: int, variant: str) -> str:
    """What `variant_of` gives for the instances of this variant, whether there are any or none."""
    return f"{generation}-{short(variant)}"


def short(name: str) -> str:
    """Few characters for a variant's name in a folder's name."""
    return hashlib.sha256(name.encode()).hexdigest()[:8]
