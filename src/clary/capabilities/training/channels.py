"""Input channels: which objects of S3 become which files on which host. Pure but for the listing it is given."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WRITABLE = frozenset({"code", "sm_drivers"})
"""Channels in which the SDK's drivers change modes and unpack archives: each host gets a copy."""
LARGEST_NAME = 255
PREFIX, MANIFEST, AUGMENTED, FILE_SYSTEM = "S3Prefix", "ManifestFile", "AugmentedManifestFile", "FileSystemDataSource"
"""Kinds of channels that are built."""


class BadData(Exception):
    """The channel cannot be delivered; the message is the caller's to read."""


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


@dataclass(frozen=True, slots=True)
class Item:
    """An object as a file: `path` is relative to the channel's folder, empty for a folder's own marker."""

    path: str
    source: Path
    uri: str


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


def relative(key: str, prefix: str) -> str:
    """A key as a path below the channel: what follows the prefix as a folder, else the last `/` of the prefix."""
    folder = f"{prefix}/"
    if prefix and not prefix.endswith("/") and key.startswith(folder):
        return key[len(folder) :]
    return key[prefix.rfind("/") + 1 :]


def checked(path: str) -> str:
    """A path that stays below its folder and that a file system takes. Raises `BadData`."""
    parts = path.removesuffix("/").split("/")
    for part in parts:
        if part in ("", ".", "..") or "\0" in part or len(part.encode()) > LARGEST_NAME:
            raise BadData(f"Data download failed: the object key {path!r} cannot be a file name")
    return "/".join(parts)


def manifest(content: bytes, uri: str) -> tuple[str, list[str]]:
    """`(prefix, suffixes)` of a ManifestFile. Raises `BadData`."""
    try:
        found = json.loads(content)
        prefix = found[0]["prefix"]
        rest = found[1:]
        if not isinstance(prefix, str) or not all(isinstance(entry, str) for entry in rest):
            raise TypeError
        for entry in (prefix, *rest):
            entry.encode()
    except (ValueError, LookupError, TypeError, RecursionError):
        raise BadData(
            f"Data download failed: the manifest {uri} is not a JSON list of a prefix object and key suffixes"
        ) from None
    return prefix, rest


def shard(items: Iterable[Item], number: int, count: int) -> list[Item]:
    """The objects of host `number` out of `count`: dealt one by one in the order of their keys."""
    return sorted(items, key=lambda item: item.uri)[number::count]
