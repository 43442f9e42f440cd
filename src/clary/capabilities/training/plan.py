"""From a training job's record to the workload that runs it. Pure: everything found elsewhere comes in `Site`."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from clary.algorithms import BY_REPOSITORY
from clary.algorithms.spec import Algorithm
from clary.capabilities import images
from clary.capabilities.jobs import reaching
from clary.capabilities.jobs.hosts import Host, hosts
from clary.capabilities.jobs.site import Site
from clary.capabilities.training import places, runs
from clary.capabilities.training.channels import WRITABLE, Channel, channels
from clary.capabilities.training.config import config_files
from clary.capabilities.training.followed import followed
from clary.resources.records import Record
from clary.runtime import listing
from clary.runtime.images import UnknownImage, recognise
from clary.runtime.toolkit.job import decode
from clary.runtime.toolkit.source import STAGED
from clary.runtime.workload import Instance, Metric, Mount, Pipe, Workload

GRACE_SECONDS = 120.0
LOG_GROUP = "/aws/sagemaker/TrainingJobs"


def plan(record: Record, site: Site) -> Workload:
    """The workload; the same record and site always give the same one."""
    spec, algorithm = record.spec, built_in(record)
    definition = spec["AlgorithmSpecification"]
    return Workload(
        id=record.id,
        key=record.id,
        wake=site.wake,
        image=image(record, site.endpoint),
        purpose="train",
        entrypoint=tuple(definition.get("ContainerEntrypoint", ())),
        arguments=tuple(definition.get("ContainerArguments", ())),
        environment=environment(record, site, algorithm),
        folders=_folders(record),
        seeds=_seeds(record, site),
        instances=tuple(_instance(record, site, host) for host in hosts(spec["ResourceConfig"])),
        limits=msgspec.structs.replace(site.limits, run_seconds=runs.left_to_run(record), grace_seconds=GRACE_SECONDS),
        isolated=spec.get("EnableNetworkIsolation", False),
        endpoint=site.endpoint,
        objects=_objects(record, site),
        store=site.store,
        metrics=_metrics(definition, algorithm),
        measure_seconds=site.measure_seconds,
    )


def image(record: Record, endpoint: str) -> str:
    """The job's image, by the name that the runtime knows it by."""
    named = record.spec["AlgorithmSpecification"]["TrainingImage"]
    return images.canonical(named, endpoint, record.account, record.region)


def built_in(record: Record) -> Algorithm | None:
    """The algorithm behind the job's image, if it is one."""
    try:
        found = recognise(record.spec["AlgorithmSpecification"]["TrainingImage"])
    except UnknownImage:
        return None
    return BY_REPOSITORY.get(found.repository)


def submitted(record: Record) -> str:
    """The `s3://` address of the user's code archive; empty when the toolkit is not to fetch one."""
    spec = record.spec
    if "ContainerEntrypoint" in spec["AlgorithmSpecification"]:
        return ""
    given = spec.get("HyperParameters", {}).get("sagemaker_submit_directory")
    value = decode(given) if given else spec.get("Environment", {}).get("SAGEMAKER_SUBMIT_DIRECTORY", "")
    return value if isinstance(value, str) and value.startswith("s3://") else ""


def environment(record: Record, site: Site, algorithm: Algorithm | None) -> dict[str, str]:
    """Variables of every instance: the platform's, then the request's over them."""
    own = {"TRAINING_JOB_NAME": record.name, "TRAINING_JOB_ARN": record.arn, "DMLC_INTERFACE": site.card}
    if algorithm:
        own["SAGEMAKER_TRAINING_MODULE"] = algorithm.training
    if submitted(record):
        own[STAGED] = places.SOURCE
    return reaching.environment(record, site, own, isolated=record.spec.get("EnableNetworkIsolation", False))


def _folders(record: Record) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*places.FOLDERS, *(each.folder for each in followed(record))]))


def _seeds(record: Record, site: Site) -> dict[str, str]:
    """Checkpoints of an earlier job are there before this one starts."""
    folder = places.checkpoint_folder(record)
    return {folder: str(places.Staging(site.jobs, record.id).checkpoints)} if folder else {}


def _objects(record: Record, site: Site) -> dict[str, str]:
    """The listing of everything that `staging.py` takes from S3."""
    staging = places.Staging(site.jobs, record.id)
    sources = [staging.checkpoints] if places.checkpoint_folder(record) else []
    sources += [staging.source] if submitted(record) else []
    everyone = hosts(record.spec["ResourceConfig"])
    for channel in channels(record.spec):
        if channel.file_system is not None:
            continue
        if channel.mode == "Pipe":
            sources.append(staging.pipe(channel.name))
        elif channel.sharded:
            sources += [staging.channel(channel.name, host.name) for host in everyone if host.gets(channel.groups)]
        else:
            sources.append(staging.channel(channel.name, None))
    return {str(source): str(listing.place(staging.folder, source)) for source in sources}


def _metrics(definition: Mapping[str, Any], algorithm: Algorithm | None) -> tuple[Metric, ...]:
    own = [Metric(name=entry["Name"], regex=entry["Regex"]) for entry in definition.get("MetricDefinitions", [])]
    names = {metric.name for metric in own}
    theirs = algorithm.metrics if algorithm and "ContainerEntrypoint" not in definition else ()
    return (*own, *(Metric(name=entry.name, regex=entry.regex) for entry in theirs if entry.name not in names))


def _instance(record: Record, site: Site, host: Host) -> Instance:
    staging = places.Staging(site.jobs, record.id)
    delivered = [channel for channel in channels(record.spec) if host.gets(channel.groups)]
    mounts = [mount for channel in delivered for mount in _channel_mounts(staging, channel, host, site)]
    if submitted(record):
        mounts.append(Mount(source=str(staging.source), target=places.SOURCE))
    if site.plugin is not None and not record.spec.get("EnableNetworkIsolation", False):
        mounts.append(Mount(source=str(site.plugin), target=reaching.PLUGIN))
    return Instance(
        host=host.name,
        log=site.logs.get(host.name, ""),
        files={
            f"{places.CONFIG}/{name}": json.dumps(content).encode()
            for name, content in config_files(record, host, site.card).items()
        },
        mounts=tuple(mounts),
        pipes=tuple(_pipe(record, staging, channel, host) for channel in delivered if channel.mode == "Pipe"),
        unpacked={places.CODE: str(staging.source)} if submitted(record) else {},
    )


def _channel_mounts(staging: places.Staging, channel: Channel, host: Host, site: Site) -> list[Mount]:
    target = f"{places.INPUT_DATA}/{channel.name}"
    if channel.file_system is not None:
        root, source = site.directories[channel.name]
        return [Mount(source=source, target=target, writable=channel.file_system.writable, root=root)]
    if channel.mode == "Pipe":
        return [Mount(source=str(staging.manifest(channel.name)), target=f"{target}-manifest")]
    files = staging.channel(channel.name, host.name if channel.sharded else None)
    return [
        Mount(source=str(files), target=target, private=channel.name in WRITABLE),
        Mount(source=str(staging.manifest(channel.name)), target=f"{target}-manifest"),
    ]


def _pipe(record: Record, staging: places.Staging, channel: Channel, host: Host) -> Pipe:
    takers = [other.name for other in hosts(record.spec["ResourceConfig"]) if other.gets(channel.groups)]
    return Pipe(
        target=f"{places.INPUT_DATA}/{channel.name}",
        source=str(staging.pipe(channel.name)),
        gzip=channel.gzip,
        framed=channel.wrapper == "RecordIO",
        seed=channel.seed,
        part=takers.index(host.name) if channel.sharded else 0,
        parts=len(takers) if channel.sharded else 1,
    )
