"""The assembly: every part of the server, in order. Start reading here.

A server worker runs `server()`, the controller runs `assemble()` and gives the reconcilers to a `Runner`. Both hold the
same parts over the same store; neither holds state of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass

from clary.capabilities.compilation import COMPILATION
from clary.capabilities.endpoints import ENDPOINTS, SCALABLE, asynchronous, invocations
from clary.capabilities.endpoints.invoke import Invocations
from clary.capabilities.instances import fleet
from clary.capabilities.jobs.line import Line
from clary.capabilities.models import MODELS
from clary.capabilities.processing import PROCESSING
from clary.capabilities.recommendations import RECOMMENDATIONS
from clary.capabilities.training import TRAINING
from clary.capabilities.transform import TRANSFORM
from clary.companions import (
    application_autoscaling,
    cloudwatch,
    ec2,
    ecr,
    iam,
    kms,
    logs,
    pricing,
    service_quotas,
    sts,
)
from clary.companions.application_autoscaling import Scalables
from clary.companions.cloudwatch import MetricStore
from clary.companions.ecr import Repositories
from clary.companions.iam import KeyRing
from clary.companions.logs import LogStore
from clary.objects import LocalObjects, Objects
from clary.objects.server import S3
from clary.resources import search, tags
from clary.resources.capability import Capability
from clary.resources.kinds import Kinds
from clary.resources.leader import Leader, machine_id
from clary.resources.reconcile import Reconciler
from clary.resources.store import DATABASE_FILE, Store
from clary.resources.verbs import generic_operations
from clary.resources.wake import Wake
from clary.runtime.backend import Backend
from clary.runtime.containers.images import Containers, Pull
from clary.runtime.images import address, registries
from clary.runtime.local import LocalBackend
from clary.settings import Settings, load
from clary.wire.context import Parts
from clary.wire.models import Models
from clary.wire.operations import Operation, Registry
from clary.wire.server import S3 as S3Server
from clary.wire.server import Server

COMPANIONS: tuple[Capability, ...] = tuple(
    each.CAPABILITY
    for each in (iam, sts, logs, cloudwatch, ecr, kms, ec2, service_quotas, pricing, application_autoscaling)
)
CAPABILITIES: tuple[Capability, ...] = (
    TRAINING,
    PROCESSING,
    TRANSFORM,
    COMPILATION,
    MODELS,
    ENDPOINTS,
    RECOMMENDATIONS,
)
SHARED: tuple[Operation, ...] = (*tags.OPERATIONS, *search.OPERATIONS)
"""Operations that belong to all kinds."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """Everything a process of the server needs."""

    parts: Parts
    models: Models
    registry: Registry
    reconcilers: tuple[Reconciler, ...]


def assemble(settings: Settings) -> Assembly:
    """Open the store (migrating it if needed) and build every part on it."""
    everything = (*COMPANIONS, *CAPABILITIES)
    store = Store(settings.database or f"sqlite:///{settings.home / DATABASE_FILE}")
    models = Models()
    keys = KeyRing(store, settings.home / "secrets")
    images = ecr.Images(store, settings.home / "registry")
    containers = Containers(settings.containers, settings.home, _pushed(images, keys, settings))
    backend = _backend(settings, containers)
    metrics = MetricStore(store)
    objects = _objects(settings, store)
    parts = Parts(
        settings,
        store,
        models,
        Wake(settings.home),
        Kinds(kind for capability in everything for kind in capability.kinds),
        keys,
        images,
        objects,
        LogStore(settings.home / "logs", store),
        metrics,
        Repositories(registries),
        containers,
        backend,
        Line(),
        invocations(settings, store, backend, metrics, objects),
        Scalables(SCALABLE),
        asynchronous.queue(settings, store),
        fleet(settings),
        Leader(store.database, machine_id(settings.home)),
    )
    reconcilers = tuple(reconciler for capability in everything for reconciler in capability.reconcilers)
    return Assembly(parts, models, Registry(operations(everything)), reconcilers)


def _objects(settings: Settings, store: Store) -> Objects:
    if not settings.s3_endpoint:
        return LocalObjects(settings.home / "objects", store.database)
    # Only here: its client takes as much memory as all the rest of S3.
    from clary.objects.external import ExternalObjects

    key = (settings.s3_access_key, settings.s3_secret_key) if settings.s3_access_key else None
    region = settings.s3_region or settings.region
    return ExternalObjects(settings.s3_endpoint.rstrip("/"), region, settings.account, store.database, key)


def _s3(objects: Objects, models: Models) -> S3Server:
    if isinstance(objects, LocalObjects):
        return S3(objects, models)
    from clary.objects.external import ExternalObjects
    from clary.objects.relay import Relay

    assert isinstance(objects, ExternalObjects)
    return Relay(objects, models)


def _backend(settings: Settings, containers: Containers) -> Backend:
    if settings.backend == "ray":
        # Only here: whoever runs instances on this machine need not load it.
        from clary.runtime.cluster import RayBackend

        return RayBackend(settings.home, settings.ray_address)
    return LocalBackend(settings.home, environments=settings.environments, slots=settings.slots, containers=containers)


def _pushed(images: ecr.Images, keys: KeyRing, settings: Settings) -> Callable[[str], Pull | None]:
    """How the machine's container engine gets an image that was pushed to this server."""

    def source(uri: str) -> Pull | None:
        named = address(uri)
        found = (
            ecr.find(images, named.account, named.region, named.repository, named.digest or named.tag or "latest")
            if named
            else None
        )
        if named is None or found is None:
            return None
        password = ecr.platform_password(keys, named.account, named.region)
        where = f"{settings.host}:{settings.port}/{named.repository}"
        return Pull(repository=where, digest=found, user=ecr.USER, password=password)

    return source


def operations(capabilities: tuple[Capability, ...]) -> list[Operation]:
    """The special operations, and the generic verbs of every kind where nothing special replaces them."""
    special = [*SHARED, *(entry for capability in capabilities for entry in capability.operations)]
    taken = {(entry.service, entry.name) for entry in special}
    generic = [
        entry
        for capability in capabilities
        for kind in capability.kinds
        for entry in generic_operations(kind)
        if (entry.service, entry.name) not in taken
    ]
    return special + generic


def server() -> Server:
    """One worker's application, from the settings in its environment."""
    assembly = assemble(load())
    s3 = _s3(assembly.parts.need(Objects), assembly.models)
    images = ecr.Registry(assembly.parts.need(ecr.Images), assembly.parts.need(KeyRing))
    leads = assembly.parts.need(Leader).elsewhere
    ends = assembly.parts.need(Invocations).end
    return Server(assembly.registry, assembly.parts, assembly.models, s3, images, leads, ends)
