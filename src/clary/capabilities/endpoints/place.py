"""Where an instance of a variant runs, what it gets there, what it starts from and where its log is."""

from pathlib import Path

from clary.capabilities import instances
from clary.capabilities.endpoints import fleet
from clary.capabilities.endpoints.components.placing import limits as copy_limits
from clary.capabilities.endpoints.fleet import Variant
from clary.capabilities.endpoints.modelcache import DISK_GIGABYTES, ModelCache
from clary.capabilities.endpoints.serverless import config as serverless
from clary.capabilities.model_containers.placing import Room, placed
from clary.capabilities.model_containers.plan import Placed
from clary.capabilities.model_containers.spec import container_workload, containers, instance_id, is_multi_model
from clary.companions.logs import LogStore
from clary.objects import Objects, parse_uri
from clary.resources.records import Record
from clary.settings import Settings
from clary.wire.context import Parts


def place(record: Record, variant: Variant, instance: str, number: int, parts: Parts) -> Placed:
    """What the container of this number needs; `instance` is the workload of the first.

    Raises `NoModelData`, `NoCapacity`, `Away`, `UnknownImage`, or the `AwsError` of a role that is gone.
    """
    log = log_file(record, variant, instance, number, parts)
    home = kept(record, instance, number, parts.need(Settings))
    return placed(record, variant.model, number, room(record, variant, parts), home, log, parts)


def room(record: Record, variant: Variant, parts: Parts) -> Room:
    """What an instance gets, and on which hosts it may be. Raises `NoCapacity` or `Away`."""
    if config := serverless.of(variant.production):
        return Room(serverless.limits(config))
    # As many as the variant has: those of its instances that start later find room like the first.
    placing = instances.place(parts, record.region, [variant.production["InstanceType"]] * max(1, variant.count))
    found = Room.of(placing)
    if requirements := variant.production.get("ComputeResourceRequirements"):
        return found._replace(limits=copy_limits(requirements, found.limits))
    return found


def kept_home(record: Record, settings: Settings) -> Path:
    """Where an endpoint keeps what its instances start from."""
    return settings.home / "endpoints" / record.id


def kept(record: Record, instance: str, number: int, settings: Settings) -> Path:
    """The folder of one container, the same for all instances of a variant of a fleet."""
    return kept_home(record, settings) / container_workload(fleet.variant_of(record.id, instance), number)


def cached(record: Record, variant: Variant, objects: Objects, settings: Settings) -> ModelCache:
    """The models of the variant's multi-model container."""
    defined = containers(variant.model)
    place = next(number for number, container in enumerate(defined) if is_multi_model(container))
    bucket, prefix = parse_uri(defined[place]["ModelDataUrl"])
    return ModelCache(
        place=place,
        keeps=defined[place].get("MultiModelConfig", {}).get("ModelCacheSetting") != "Disabled",
        objects=objects,
        account=record.account,
        bucket=bucket,
        prefix=prefix if prefix.endswith("/") or not prefix else f"{prefix}/",
        folder=kept(record, variant.instances[0].workload, place, settings),
        most=variant.production.get("VolumeSizeInGB", DISK_GIGABYTES) << 30,
    )


def log_file(record: Record, variant: Variant, instance: str, number: int, parts: Parts) -> Path:
    group = f"/aws/sagemaker/{record.kind}s/{record.name}"
    stream = f"{variant.name}/{instance_id(instance)}"
    defined = containers(variant.model)
    if len(defined) > 1:
        stream += f"/{defined[number]['ContainerHostname']}"
    return parts.need(LogStore).stream(record.account, record.region, group, stream)
