"""EFS and FSx for Lustre as directories of this machine: the setting `file_systems` says which id is which."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from clary.capabilities.jobs.items import BadData
from clary.capabilities.training.channels import Channel, FileSystem


def is_path(text: str) -> bool:
    """Whether a DirectoryPath leads from the root of its file system to somewhere in it."""
    path = PurePosixPath(text)
    return path.is_absolute() and ".." not in path.parts and "\0" not in text


def located(channels: Iterable[Channel], known: Mapping[str, Path]) -> dict[str, tuple[str, str]]:
    """Channel name to `(root of its file system, directory)`, for those that have one. Raises `BadData`."""
    return {
        channel.name: _directory(channel.file_system, known) for channel in channels if channel.file_system is not None
    }


def _directory(wanted: FileSystem, known: Mapping[str, Path]) -> tuple[str, str]:
    if wanted.id not in known:
        raise BadData(f"File system '{wanted.id}' does not exist.")
    root = known[wanted.id].resolve()
    try:
        found = Path(os.path.realpath(root / wanted.path.lstrip("/"), strict=True))
        if found.is_dir() and found.is_relative_to(root):
            return str(root), str(found)
    except (OSError, ValueError, RuntimeError):
        # Missing, shut, or links that lead round and round.
        pass
    raise BadData(f"Unable to mount file system '{wanted.id}': there is no directory {wanted.path} in it.")
