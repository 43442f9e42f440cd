"""Input channels, as a request says them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WRITABLE = frozenset({"code", "sm_drivers"})
"""Channels in which the SDK's drivers change modes and unpack archives: each host gets a copy."""
PREFIX, MANIFEST, AUGMENTED, FILE_SYSTEM = "S3Prefix", "ManifestFile", "AugmentedManifestFile", "FileSystemDataSource"
"""Kinds of channels that are built."""


@dataclass(frozen=True, slots=True)
class FileSystem:
    """A directory of a file system that exists apart from S3. `path` begins at its root."""

    id: str
    path: str
    writable: bool


@dataclass(frozen=True, slots=True)
class Channel:
    """One of `InputDataConfig`. `kind` is the S3DataType, or the name of another kind of source.

    `seed` is that of ShuffleConfig; `attributes` are those of an augmented manifest to deliver, in their order.
    """

    name: str
    kind: str
    uri: str
    mode: str
    sharded: bool
    groups: tuple[str, ...]
    content_type: str
    wrapper: str
    gzip: bool
    seed: int | None
    attributes: tuple[str, ...]
    file_system: FileSystem | None


def channels(spec: Mapping[str, Any]) -> list[Channel]:
    """In the order of the request."""
    usual = spec["AlgorithmSpecification"].get("TrainingInputMode", "File")
    return [_channel(entry, usual) for entry in spec.get("InputDataConfig", [])]


def _channel(entry: Mapping[str, Any], usual_mode: str) -> Channel:
    source = entry["DataSource"].get("S3DataSource")
    files = entry["DataSource"].get(FILE_SYSTEM)
    other = next(iter(entry["DataSource"]), "no DataSource")
    return Channel(
        name=entry["ChannelName"],
        kind=source["S3DataType"] if source else other,
        uri=source["S3Uri"] if source else "",
        mode=entry.get("InputMode") or usual_mode,
        sharded=bool(source and source.get("S3DataDistributionType") == "ShardedByS3Key"),
        groups=tuple(source.get("InstanceGroupNames", ())) if source else (),
        content_type=entry.get("ContentType", ""),
        wrapper=entry.get("RecordWrapperType", "None"),
        gzip=entry.get("CompressionType") == "Gzip",
        seed=entry["ShuffleConfig"]["Seed"] if "ShuffleConfig" in entry else None,
        attributes=tuple(source.get("AttributeNames", ())) if source else (),
        file_system=_file_system(files) if files else None,
    )


def _file_system(source: Mapping[str, Any]) -> FileSystem:
    return FileSystem(source["FileSystemId"], source["DirectoryPath"], source["FileSystemAccessMode"] == "rw")


def is_in_folder(key: str, prefix: str) -> bool:
    """Whether FastFile's view of a prefix has the key: for it, prefixes end where folder names do."""
    return not prefix or prefix.endswith("/") or key == prefix or key.startswith(f"{prefix}/")
