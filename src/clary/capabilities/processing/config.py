"""The files under `/opt/ml/config` that tell a container what its job is."""

from collections.abc import Mapping
from typing import Any

from clary.capabilities.jobs.hosts import Host
from clary.capabilities.jobs.resources import resources
from clary.capabilities.processing.places import CONFIG
from clary.resources.records import Record


def config_files(record: Record, cluster: Mapping[str, Any], host: Host, card: str) -> dict[str, Any]:
    """Path to content, for one host; `cluster` says the type and number of instances."""
    return {
        f"{CONFIG}/processingjobconfig.json": job_config(record, cluster),
        f"{CONFIG}/resourceconfig.json": resources(cluster, host, card),
    }


def job_config(record: Record, cluster: Mapping[str, Any]) -> dict[str, Any]:
    """The request echoed, with nulls for the keys that AWS writes so."""
    spec = record.spec
    output = spec.get("ProcessingOutputConfig", {"Outputs": []})
    config = {"VolumeKmsKeyId": None, **spec["ProcessingResources"]["ClusterConfig"], **cluster}
    return {
        **spec,
        "ProcessingJobName": record.name,
        "ProcessingJobArn": record.arn,
        "Environment": spec.get("Environment", {}),
        "ProcessingInputs": [_input(entry) for entry in spec.get("ProcessingInputs", ())],
        "ProcessingOutputConfig": {"KmsKeyId": None, **output},
        "ProcessingResources": {"ClusterConfig": config},
    }


def _input(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {**entry, "S3Input": {"S3DownloadMode": "StartOfJob", **entry["S3Input"]}}
