"""S3 objects on their way to become files of a job: names, manifests, shards. Pure; `laying.py` finds the objects."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

LARGEST_NAME = 255


class BadData(Exception):
    """The data cannot be delivered; the message is the caller's to read."""


class Item(NamedTuple):
    """An object as a file: `path` is relative to its folder, empty for the folder's own marker."""

    path: str
    source: Path
    uri: str

    @property
    def is_file(self) -> bool:
        """Not the marker of a folder."""
        return bool(self.path) and not self.path.endswith("/")


def relative(key: str, prefix: str) -> str:
    """A key as a path below the input: what follows the prefix as a folder, else the last `/` of the prefix."""
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
