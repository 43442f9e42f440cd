"""The files under `/opt/ml/input/config` that tell a container what its job is."""

import re
from collections.abc import Mapping
from typing import Any

from clary.capabilities.jobs.hosts import Host, hosts
from clary.capabilities.jobs.resources import resources
from clary.capabilities.training import debugging
from clary.capabilities.training.channels import Channel, channels
from clary.capabilities.training.places import checkpoint_folder
from clary.resources.records import Record


def config_files(record: Record, host: Host, card: str) -> dict[str, Any]:
    """File name to content, for one host."""
    spec = record.spec
    delivered = [channel for channel in channels(spec) if host.gets(channel.groups)]
    files: dict[str, Any] = {
        "hyperparameters.json": spec.get("HyperParameters", {}),
        "inputdataconfig.json": {channel.name: _input(channel) for channel in delivered},
        "resourceconfig.json": resources(spec["ResourceConfig"], host, card),
        "trainingjobconfig.json": job_config(record),
        "init-config.json": init_config(spec, host, delivered),
        "metric-definition-regex.json": spec["AlgorithmSpecification"].get("MetricDefinitions", []),
        "upstreamoutputdataconfig.json": [],
    }
    return files | _optional(record)


def _input(channel: Channel) -> dict[str, str]:
    described = {
        "TrainingInputMode": channel.mode,
        "S3DistributionType": "ShardedByS3Key" if channel.sharded else "FullyReplicated",
        "RecordWrapperType": channel.wrapper,
    }
    return {"ContentType": channel.content_type, **described} if channel.content_type else described


def job_config(record: Record) -> dict[str, Any]:
    """`trainingjobconfig.json`: the request echoed, enumerations in upper snake case."""
    spec = record.spec
    algorithm = spec["AlgorithmSpecification"]
    return {
        **{name: value for name, value in spec.items() if name not in ("Environment", "InputDataConfig")},
        "TrainingJobName": record.name,
        "TrainingJobArn": record.arn,
        "AlgorithmSpecification": {
            **algorithm,
            "TrainingInputMode": _upper(algorithm.get("TrainingInputMode", "File")),
        },
        "InputDataConfig": [_upper_enums(entry) for entry in spec.get("InputDataConfig", [])],
    }


_ENUMS = ("S3DataType", "S3DataDistributionType", "CompressionType", "RecordWrapperType", "InputMode")


def _upper_enums(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    return {name: _upper(value) if name in _ENUMS else _upper_enums(value) for name, value in entry.items()}


def _upper(name: str) -> str:
    """`ShardedByS3Key` as `SHARDED_BY_S3_KEY`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()


def init_config(spec: Mapping[str, Any], host: Host, delivered: list[Channel]) -> dict[str, Any]:
    return {
        "inputMode": _upper(spec["AlgorithmSpecification"].get("TrainingInputMode", "File")),
        "channels": {
            channel.name: {"s3DataType": _upper(channel.kind), "s3Uri": channel.uri, "sharded": channel.sharded}
            for channel in delivered
        },
        "checkpointChannel": spec.get("CheckpointConfig"),
        "hostConfig": {"clusterSize": len(hosts(spec["ResourceConfig"])), "hostNumber": host.number},
        "jobRunInfo": {"jobRunNumber": 1},
    }


def _optional(record: Record) -> dict[str, Any]:
    spec = record.spec
    files: dict[str, Any] = {}
    if folder := checkpoint_folder(record):
        files["checkpointconfig.json"] = {"LocalPath": folder}
    return files | debugging.files(spec)
