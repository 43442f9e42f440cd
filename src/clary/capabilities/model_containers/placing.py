"""Finds what a container needs that its model does not say: data, code, credentials, limits. See `plan.py`."""

from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from clary.capabilities import images
from clary.capabilities.instances import Placing
from clary.capabilities.jobs.landing import Landing
from clary.capabilities.model_containers.artefacts import find
from clary.capabilities.model_containers.keep import MODELS, keep
from clary.capabilities.model_containers.plan import GRACE_SECONDS, Placed
from clary.capabilities.model_containers.spec import containers, is_multi_model
from clary.companions.iam import KeyRing
from clary.objects import Objects
from clary.resources.records import Record
from clary.resources.wake import Wake
from clary.runtime.workload import Limits
from clary.settings import Settings
from clary.wire.context import Parts

Model = dict[str, Any]
CREDENTIAL_SECONDS = 366 * 86400.0
"""Credentials are made when an instance starts and have to last as long as it does: an endpoint's, for long."""


class Room(NamedTuple):
    """What an instance gets, and the hosts that it may be on; none are named where any will do."""

    limits: Limits
    hosts: tuple[str, ...] = ()

    @classmethod
    def of(cls, placing: Placing) -> "Room":
        """That of each instance: they are alike."""
        return cls(placing.fit.limits, placing.hosts[0] if placing.hosts else ())


def placed(record: Record, model: Model, number: int, room: Room, home: Path, log: Path, parts: Parts) -> Placed:
    """What the container of this number of `model`, the spec, needs. What it starts from is kept at `home`.

    Raises `NoModelData`, `UnknownImage`, or the `AwsError` of a role that is gone.
    """
    container = containers(model)[number]
    settings = parts.need(Settings)
    landing = Landing(parts.need(Objects), home.with_name(f"{home.name}.fetched"))
    artefacts = keep(home, lambda: find(parts.need(Objects), record.account, container, number, landing))
    landing.close()
    models = home / MODELS if is_multi_model(container) else None
    if models:
        models.mkdir(exist_ok=True)
    return Placed(
        key=record.id,
        wake=str(parts.need(Wake).path),
        log=str(log),
        endpoint=settings.url,
        limits=msgspec.structs.replace(room.limits, grace_seconds=GRACE_SECONDS),
        hosts=room.hosts,
        image=images.canonical(container["Image"], settings.url, record.account, record.region),
        framework=images.framework(container["Image"]),
        credentials=_credentials(record, model, parts),
        artefacts=artefacts,
        models=models,
        measure_seconds=settings.host_metrics_seconds,
    )


def _credentials(record: Record, model: Model, parts: Parts) -> dict[str, str]:
    environment = {"AWS_REGION": record.region, "AWS_DEFAULT_REGION": record.region, "SAGEMAKER_REGION": record.region}
    role = model.get("ExecutionRoleArn")
    if not role or model.get("EnableNetworkIsolation"):
        return environment
    name = role.rpartition("/")[2]
    made = parts.need(KeyRing).assume(record.account, name, "SageMaker", CREDENTIAL_SECONDS)
    return environment | {
        "AWS_ACCESS_KEY_ID": made.access_key,
        "AWS_SECRET_ACCESS_KEY": made.secret,
        "AWS_SESSION_TOKEN": made.token,
        "AWS_ENDPOINT_URL": parts.need(Settings).url,
    }
