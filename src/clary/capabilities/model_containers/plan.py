"""A container of a model as a workload. Pure: what the store and the object tree hold is given."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clary.capabilities.model_containers.keep import Artefacts, ModelData
from clary.capabilities.model_containers.spec import container_workload, containers
from clary.runtime.workload import Instance, Limits, Mount, Preloaded, Workload
from clary.serving.server import preload
from clary.serving.server.config import threads

HOST = "algo-1"
GRACE_SECONDS = 65.0
"""Between SIGTERM and SIGKILL. AWS drains an instance first and then gives it 30 s; our model server drains itself
after the signal, and a model may take 60 s for an answer."""
MODEL_ARCHIVE = "/opt/clary/input/model.tar.gz"
CODE_ARCHIVE = "/opt/clary/input/sourcedir.tar.gz"
ADDITIONAL_ARCHIVES = "/opt/clary/input/additional"
"""A folder of archives, each called like its channel."""
MODEL = "/opt/ml/model"
ADDITIONAL = "/opt/ml/additional-model-data-sources"
MODELS = "/opt/ml/models"
PORTS = {"SAGEMAKER_BIND_TO_PORT": "8080", "SAGEMAKER_SAFE_PORT_RANGE": "8081-8999"}
"""What a container that shares its instance is told. Each has a network of its own here, so all listen on 8080."""


@dataclass(frozen=True, slots=True)
class Placed:
    """What a container needs that its model does not say. Files are paths of this machine."""

    key: str
    wake: str
    log: str
    endpoint: str
    limits: Limits
    hosts: tuple[str, ...]
    """Names of those that it may be on; none: any."""
    image: str
    framework: str
    """The managed runtime that serves; empty where the image itself does, as a container."""
    credentials: Mapping[str, str]
    artefacts: Artefacts
    models: Path | None = None
    """The folder of a multi-model container's models, which come and go while it runs."""
    measure_seconds: float = 0.0


def workload(instance: str, number: int, model: dict[str, Any], placed: Placed) -> Workload:
    """The workload of the container of this number, from 0, of `model`, the spec; `instance` is that of the first."""
    defined = containers(model)
    container = defined[number]
    # What serves in a managed runtime unpacks by itself.
    archives = {target: str(data.archive) for target, data in _shown(placed.artefacts).items() if data.archive}
    unpacked = {} if placed.framework else archives
    return Workload(
        id=container_workload(instance, number),
        within=instance if len(defined) > 1 else "",
        key=placed.key,
        wake=placed.wake,
        image=placed.image,
        purpose="serve",
        environment=_environment(container, len(defined) > 1, placed),
        folders=() if placed.artefacts.model.files or MODEL in unpacked else (MODEL,),
        instances=(Instance(host=HOST, log=placed.log, hosts=placed.hosts, mounts=_mounts(placed), unpacked=unpacked),),
        limits=placed.limits,
        preloaded=preloaded(placed.framework, container, placed.limits),
        isolated=bool(model.get("EnableNetworkIsolation")),
        endpoint=placed.endpoint,
        measure_seconds=placed.measure_seconds,
    )


def preloaded(framework: str, container: dict[str, Any], limits: Limits) -> Preloaded | None:
    """What a container's server starts with, if nothing of the container's is to be read before it."""
    given = container.get("Environment", {})
    if limits.gpus or not preload.suits(framework, given):
        return None
    told = {name: value for name, value in given.items() if not name.startswith("CLARY_")} | _told(limits)
    try:
        return Preloaded(framework, threads(told))
    except ValueError:
        # The server says so.
        return None


def _environment(container: dict[str, Any], several: bool, placed: Placed) -> dict[str, str]:
    multi = {"SAGEMAKER_MULTI_MODEL": "true"} if placed.models else {}
    if not placed.framework:
        return {**placed.credentials, **(PORTS if several else {}), **container.get("Environment", {}), **multi}
    ours = {"CLARY_FRAMEWORK": placed.framework, **_told(placed.limits)}
    if placed.artefacts.model.archive:
        ours["CLARY_MODEL_ARCHIVE"] = MODEL_ARCHIVE
    if placed.artefacts.code:
        ours["CLARY_CODE_ARCHIVE"] = CODE_ARCHIVE
    if archives := _additional_archives(placed.artefacts):
        ours["CLARY_ADDITIONAL_ARCHIVES"] = ":".join(archives)
    return {**placed.credentials, **container.get("Environment", {}), **ours, **multi}


def _told(limits: Limits) -> dict[str, str]:
    told = {"CLARY_CPUS": str(max(1, int(limits.cpus)))} if limits.cpus else {}
    return told | ({"CLARY_MEMORY_BYTES": str(limits.memory_bytes)} if limits.memory_bytes else {})


def _mounts(placed: Placed) -> tuple[Mount, ...]:
    found = placed.artefacts
    mounts = [
        Mount(source=str(file), target=f"{target}/{name}")
        for target, data in _shown(found).items()
        for name, file in data.files
    ]
    if placed.models:
        mounts.append(Mount(source=str(placed.models), target=MODELS))
    if not placed.framework:
        return tuple(mounts)
    archives = {MODEL_ARCHIVE: found.model.archive, CODE_ARCHIVE: found.code, **_additional_archives(found)}
    mounts += [Mount(source=str(source), target=target) for target, source in archives.items() if source]
    return tuple(mounts)


def _shown(found: Artefacts) -> dict[str, ModelData]:
    """By the folder in which a container sees it."""
    return {MODEL: found.model} | {f"{ADDITIONAL}/{name}": data for name, data in found.additional.items()}


def _additional_archives(found: Artefacts) -> dict[str, Path]:
    """By the path under which our model server sees them."""
    archives = ((name, data.archive) for name, data in found.additional.items())
    return {f"{ADDITIONAL_ARCHIVES}/{name}.tar.gz": archive for name, archive in archives if archive}
