"""Input channels: which objects of S3 become which files on which host. Pure but for the listing it is given."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WRITABLE = frozenset({"code", "sm_drivers"})
"""Channels in which the SDK's drivers change modes and unpack archives: each host gets a copy."""
LARGEST_NAME = 255


class BadData(Exception):
    """The channel cannot be delivered; the message is the caller's to read."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One of `InputDataConfig`. `kind` is the S3DataType, or the name of another kind of source."""

    name: str
    kind: str
    uri: str
    mode: str
    sharded: bool
    groups: tuple[str, ...]
    content_type: str
    wrapper: str


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
    )


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
    except (ValueError, LookupError, TypeError):
        raise BadData(
            f"Data download failed: the manifest {uri} is not a JSON list of a prefix object and key suffixes"
        ) from None
    return prefix, rest


def shard(items: Iterable[Item], number: int, count: int) -> list[Item]:
    """The objects of host `number` out of `count`: dealt one by one in the order of their keys."""
    return sorted(items, key=lambda item: item.uri)[number::count]
