"""From a processing job's record to the workload that runs it. Pure: everything found elsewhere comes in `Site`."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from clary.capabilities import images
from clary.capabilities.jobs import reaching
from clary.capabilities.jobs.hosts import Host, hosts
from clary.capabilities.jobs.site import Site
from clary.capabilities.processing.config import config_files
from clary.capabilities.processing.inputs import WRITABLE, Input, inputs
from clary.capabilities.processing.places import OUTPUT, PROCESSING, Staging
from clary.resources.records import Record
from clary.runtime import listing
from clary.runtime.images import UnknownImage, environment_of
from clary.runtime.workload import Instance, Mount, Pipe, Workload

GRACE_SECONDS = 120.0
LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
ENTRYPOINTS = {"spark": ("smspark-submit",)}
"""ENTRYPOINT of the images that have one, by runtime environment; the others start what they are given."""
COMMAND = ("/bin/bash",)
"""CMD of the images."""


def plan(record: Record, site: Site) -> Workload:
    """The workload; the same record and site always give the same one."""
    spec = record.spec
    entrypoint, arguments = command(spec["AppSpecification"])
    return Workload(
        id=record.id,
        key=record.id,
        wake=site.wake,
        image=image(record, site.endpoint),
        purpose="process",
        entrypoint=entrypoint,
        arguments=arguments,
        environment=_environment(record, site),
        # Not one for each output: user code may remove and make again what it writes into, and a mount it could not.
        folders=(OUTPUT, str(PROCESSING)),
        seeds={str(PROCESSING): str(Staging(site.jobs, record.id).skeleton)},
        instances=tuple(_instance(record, site, host) for host in hosts(cluster(record))),
        limits=msgspec.structs.replace(
            site.limits,
            run_seconds=spec["StoppingCondition"]["MaxRuntimeInSeconds"],
            grace_seconds=GRACE_SECONDS,
        ),
        isolated=is_isolated(record),
        endpoint=site.endpoint,
        objects=_objects(record, site),
        store=site.store,
        measure_seconds=site.measure_seconds,
    )


def image(record: Record, endpoint: str) -> str:
    """The job's image, by the name that the runtime knows it by."""
    named = record.spec["AppSpecification"]["ImageUri"]
    return images.canonical(named, endpoint, record.account, record.region)


def command(app: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Entrypoint and arguments, by Docker's rules: an entrypoint replaces ENTRYPOINT and CMD, arguments replace CMD.

    For an image that a runtime stands in for, its own two are filled in; any other brings them.
    """
    entrypoint, arguments = tuple(app.get("ContainerEntrypoint", ())), tuple(app.get("ContainerArguments", ()))
    if entrypoint:
        return entrypoint, arguments
    try:
        own = ENTRYPOINTS.get(environment_of(app["ImageUri"]), ())
    except UnknownImage:
        return (), arguments
    return (*own, *arguments) or COMMAND, ()


def cluster(record: Record) -> dict[str, Any]:
    """`InstanceType` and `InstanceCount`, chosen or given."""
    config = record.spec["ProcessingResources"]["ClusterConfig"]
    chosen = record.state.get("Selected")
    if chosen:
        return {"InstanceType": chosen["SelectedInstanceType"], "InstanceCount": chosen["SelectedInstanceCount"]}
    first = config["InstancePreferences"][0] if config.get("InstancePreferences") else config
    return {
        "InstanceType": first["InstanceType"],
        "InstanceCount": first.get("InstanceCount") or config["InstanceCount"],
    }


def is_isolated(record: Record) -> bool:
    return bool(record.spec.get("NetworkConfig", {}).get("EnableNetworkIsolation", False))


def _environment(record: Record, site: Site) -> dict[str, str]:
    own = {"PROCESSING_JOB_NAME": record.name, "PROCESSING_JOB_ARN": record.arn}
    if site.limits.memory_bytes:
        own["CLARY_MEMORY_BYTES"] = str(site.limits.memory_bytes)
    return reaching.environment(record, site, own, isolated=is_isolated(record))


def _objects(record: Record, site: Site) -> dict[str, str]:
    """The listing of everything that `staging.py` takes from S3."""
    staging = Staging(site.jobs, record.id)
    takers = hosts(cluster(record))
    sources = []
    for each in inputs(record.spec):
        if each.is_pipe:
            sources.append(staging.pipe(each.number))
        elif each.sharded:
            sources += [staging.input(each.number, host.name) for host in takers]
        else:
            sources.append(staging.input(each.number, None))
    return {str(source): str(listing.place(staging.folder, source)) for source in sources}


def _instance(record: Record, site: Site, host: Host) -> Instance:
    staging = Staging(site.jobs, record.id)
    mounts = [
        Mount(
            source=str(staging.input(each.number, host.name if each.sharded else None)),
            target=str(each.path),
            private=each.name in WRITABLE,
        )
        for each in inputs(record.spec)
        if not each.is_pipe
    ]
    if site.plugin is not None and not is_isolated(record):
        mounts.append(Mount(source=str(site.plugin), target=reaching.PLUGIN))
    files = config_files(record, cluster(record), host, site.card)
    return Instance(
        host=host.name,
        log=site.logs.get(host.name, ""),
        files={path: json.dumps(content).encode() for path, content in files.items()},
        mounts=tuple(mounts),
        pipes=tuple(_pipe(record, staging, each, host) for each in inputs(record.spec) if each.is_pipe),
    )


def _pipe(record: Record, staging: Staging, each: Input, host: Host) -> Pipe:
    return Pipe(
        target=str(each.path),
        source=str(staging.pipe(each.number)),
        gzip=each.gzip,
        part=host.number if each.sharded else 0,
        parts=len(hosts(cluster(record))) if each.sharded else 1,
    )
