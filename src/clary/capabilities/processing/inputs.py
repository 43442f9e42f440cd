"""A job's inputs and outputs, as its request says them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from clary.capabilities.processing.places import local
from clary.objects import parse_uri

WRITABLE = frozenset({"code", "entrypoint"})
"""Inputs that the SDKs' start scripts unpack archives in: each host gets a copy."""


@dataclass(frozen=True, slots=True)
class Input:
    """One that the platform delivers. `number` is its place in the request."""

    number: int
    name: str
    uri: str
    path: PurePosixPath
    is_manifest: bool
    sharded: bool
    is_pipe: bool
    gzip: bool


@dataclass(frozen=True, slots=True)
class Output:
    """One that the platform uploads, to `bucket` under `prefix`, which is empty or ends in `/`."""

    name: str
    path: PurePosixPath
    bucket: str
    prefix: str
    continuous: bool


def inputs(spec: Mapping[str, Any]) -> list[Input]:
    """Of an admitted request, without those that the application reads by itself."""
    return [
        _input(number, entry)
        for number, entry in enumerate(spec.get("ProcessingInputs", ()))
        if not entry.get("AppManaged")
    ]


def outputs(spec: Mapping[str, Any]) -> list[Output]:
    """Of an admitted request, without those that the application writes by itself."""
    entries = spec.get("ProcessingOutputConfig", {}).get("Outputs", ())
    return [_output(entry) for entry in entries if not entry.get("AppManaged")]


def _input(number: int, entry: Mapping[str, Any]) -> Input:
    source = entry["S3Input"]
    return Input(
        number=number,
        name=entry["InputName"],
        uri=source["S3Uri"],
        path=local(source["LocalPath"]),
        is_manifest=source["S3DataType"] == "ManifestFile",
        sharded=source.get("S3DataDistributionType") == "ShardedByS3Key",
        is_pipe=source.get("S3InputMode") == "Pipe",
        gzip=source.get("S3CompressionType") == "Gzip",
    )


def _output(entry: Mapping[str, Any]) -> Output:
    target = entry["S3Output"]
    bucket, key = parse_uri(target["S3Uri"])
    prefix = f"{key.rstrip('/')}/" if key.rstrip("/") else ""
    return Output(
        entry["OutputName"], local(target["LocalPath"]), bucket, prefix, target["S3UploadMode"] == "Continuous"
    )
