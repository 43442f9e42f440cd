"""Finds what an instance needs outside its variant: model data, code, credentials, a log, limits. See `plan.py`."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import msgspec

from clary.capabilities import images, instances
from clary.capabilities.endpoints import fleet
from clary.capabilities.endpoints.components.placing import limits as copy_limits
from clary.capabilities.endpoints.fleet import Variant
from clary.capabilities.endpoints.keep import Artefacts, keep
from clary.capabilities.endpoints.modelcache import DISK_GIGABYTES, MODELS, ModelCache
from clary.capabilities.endpoints.plan import GRACE_SECONDS, Placed
from clary.capabilities.endpoints.serverless import config as serverless
from clary.capabilities.jobs.items import BadData
from clary.capabilities.jobs.landing import Landing
from clary.companions.iam import KeyRing
from clary.companions.logs import LogStore
from clary.objects import Objects, Stored, parse_uri
from clary.resources.records import Record
from clary.resources.wake import Wake
from clary.runtime.workload import Limits
from clary.settings import Settings
from clary.wire.context import Parts

CREDENTIAL_SECONDS = 366 * 86400.0
"""An endpoint's credentials are made when an instance starts and have to last as long as it does."""


class NoModelData(Exception):
    """The artefact is not, or no longer, where the model says."""


def place(record: Record, variant: Variant, instance: str, number: int, parts: Parts) -> Placed:
    """What the container of this number needs; `instance` is the workload of the first.

    Raises `NoModelData`, `NoCapacity`, `Away`, `UnknownImage`, or the `AwsError` of a role that is gone.
    """
    log = log_file(record, variant, instance, number, parts)
    return placed(record, variant, number, kept(record, instance, number, parts.need(Settings)), log, parts)


def placed(record: Record, variant: Variant, number: int, home: Path, log: Path, parts: Parts) -> Placed:
    """Likewise for whatever runs a model's container: what it starts from is kept at `home`."""
    container = fleet.containers(variant.model)[number]
    settings = parts.need(Settings)
    landing = Landing(parts.need(Objects), home.with_name(f"{home.name}.fetched"))
    limits, hosts = room(record, variant, parts)
    artefacts = keep(home, lambda: _find(parts.need(Objects), record.account, container, number, landing))
    landing.close()
    models = home / MODELS if fleet.is_multi_model(container) else None
    if models:
        models.mkdir(exist_ok=True)
    return Placed(
        key=record.id,
        wake=str(parts.need(Wake).path),
        log=str(log),
        endpoint=settings.url,
        limits=msgspec.structs.replace(limits, grace_seconds=GRACE_SECONDS),
        hosts=hosts,
        image=images.canonical(container["Image"], settings.url, record.account, record.region),
        framework=images.framework(container["Image"]),
        credentials=_credentials(record, variant, parts),
        artefacts=artefacts,
        models=models,
        measure_seconds=settings.host_metrics_seconds,
    )


def room(record: Record, variant: Variant, parts: Parts) -> tuple[Limits, tuple[str, ...]]:
    """What an instance gets, and on which hosts it may be. Raises `NoCapacity` or `Away`."""
    if config := serverless.of(variant.production):
        return serverless.limits(config), ()
    # As many as the variant has: those of its instances that start later find room like the first.
    placing = instances.place(parts, record.region, [variant.production["InstanceType"]] * max(1, variant.count))
    limits, hosts = placing.fit.limits, placing.hosts[0] if placing.hosts else ()
    if requirements := variant.production.get("ComputeResourceRequirements"):
        return copy_limits(requirements, limits), hosts
    return limits, hosts


def kept_home(record: Record, settings: Settings) -> Path:
    """Where an endpoint keeps what its instances start from."""
    return settings.home / "endpoints" / record.id


def kept(record: Record, instance: str, number: int, settings: Settings) -> Path:
    """The folder of one container, the same for all instances of a variant of a fleet."""
    return kept_home(record, settings) / fleet.container_workload(fleet.variant_of(record.id, instance), number)


def cached(record: Record, variant: Variant, objects: Objects, settings: Settings) -> ModelCache:
    """The models of the variant's multi-model container."""
    defined = fleet.containers(variant.model)
    place = next(number for number, container in enumerate(defined) if fleet.is_multi_model(container))
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
    stream = f"{variant.name}/{fleet.instance_id(instance)}"
    defined = fleet.containers(variant.model)
    if len(defined) > 1:
        stream += f"/{defined[number]['ContainerHostname']}"
    return parts.need(LogStore).stream(record.account, record.region, group, stream)


def _find(objects: Objects, account: str, container: dict[str, Any], number: int, landing: Landing) -> Artefacts:
    """What is not on this machine is fetched."""
    source = _Source(objects, account, landing.path, number)
    archive, files = _model_data(source, container)
    found = Artefacts(archive, files, _code(source, container))
    try:
        landing.fetch()
    except BadData as error:
        raise NoModelData(str(error)) from error
    return found


class _Source(NamedTuple):
    objects: Objects
    account: str
    path: Callable[[Stored], Path]
    number: int


def _model_data(source: _Source, container: dict[str, Any]) -> tuple[Path | None, tuple[tuple[str, Path], ...]]:
    """An archive, or files, or neither for a model that needs none."""
    data = container.get("ModelDataSource", {}).get("S3DataSource", {})
    if data.get("CompressionType") == "None":
        return None, _files(source, data["S3Uri"])
    uri = "" if fleet.is_multi_model(container) else container.get("ModelDataUrl") or data.get("S3Uri")
    return (_object(source, uri), ()) if uri else (None, ())


def _object(source: _Source, uri: str) -> Path:
    bucket, key = parse_uri(uri)
    found = source.objects.find(bucket, key) if source.objects.bucket_exists(source.account, bucket) else None
    if found is None:
        raise _no_data(uri, source.number)
    return source.path(found)


def _files(source: _Source, uri: str) -> tuple[tuple[str, Path], ...]:
    bucket, prefix = parse_uri(uri)
    if not source.objects.bucket_exists(source.account, bucket):
        raise _no_data(uri, source.number)
    below = prefix if prefix.endswith("/") or not prefix else f"{prefix}/"
    found = ((info.key[len(below) :], info) for info in source.objects.list(bucket, below))
    files = tuple((name, source.path(info)) for name, info in found if _is_file_name(name))
    if not files:
        raise _no_data(uri, source.number)
    return files


def _is_file_name(name: str) -> bool:
    """Not a folder marker, and not a key that would leave the model folder."""
    return bool(name) and not name.endswith("/") and ".." not in PurePosixPath(name).parts and not name.startswith("/")


def _code(source: _Source, container: dict[str, Any]) -> Path | None:
    """Older SDK models name their script's archive instead of packing it with the model."""
    submitted = container.get("Environment", {}).get("SAGEMAKER_SUBMIT_DIRECTORY", "")
    return _object(source, submitted) if submitted.startswith("s3://") else None


def _credentials(record: Record, variant: Variant, parts: Parts) -> dict[str, str]:
    environment = {"AWS_REGION": record.region, "AWS_DEFAULT_REGION": record.region, "SAGEMAKER_REGION": record.region}
    role = variant.model.get("ExecutionRoleArn")
    if not role or variant.model.get("EnableNetworkIsolation"):
        return environment
    name = role.rpartition("/")[2]
    made = parts.need(KeyRing).assume(record.account, name, "SageMaker", CREDENTIAL_SECONDS)
    return environment | {
        "AWS_ACCESS_KEY_ID": made.access_key,
        "AWS_SECRET_ACCESS_KEY": made.secret,
        "AWS_SESSION_TOKEN": made.token,
        "AWS_ENDPOINT_URL": parts.need(Settings).url,
    }


def _no_data(uri: str, number: int) -> NoModelData:
    return NoModelData(
        f'Failed to download model data for container "container_{number + 1}" from URL: "{uri}". Please ensure that '
        "there is an object located at the URL and that the role passed to CreateModel has permissions to download the "
        "object."
    )
