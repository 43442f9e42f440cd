"""What CreateTrainingJob checks of input channels. `admit.py` calls it."""

import re
from collections.abc import Mapping
from typing import Any

from clary.capabilities.jobs.addresses import Addresses
from clary.capabilities.training.channels import (
    AUGMENTED,
    FILE_SYSTEM,
    MANIFEST,
    PREFIX,
    Channel,
    channels,
)
from clary.capabilities.training.file_systems import is_path
from clary.settings import Settings
from clary.wire.context import Context
from clary.wire.errors import ValidationException


def check(ctx: Context, spec: Mapping[str, Any], addresses: Addresses) -> None:
    """Raises `ValidationException`."""
    found = channels(spec)
    _check_names([channel.name for channel in found], {channel.name for channel in found if channel.mode == "Pipe"})
    for channel in found:
        _check_groups(channel, spec["ResourceConfig"])
        if channel.kind == FILE_SYSTEM:
            _check_file_system(ctx, channel)
        elif channel.kind in (PREFIX, MANIFEST, AUGMENTED):
            _check_mode(channel)
            addresses.check_source(channel.uri, of_folder=channel.mode == "FastFile")
        else:
            raise ValidationException(f"Channel {channel.name}: {channel.kind} is not available in this version.")


def _check_names(names: list[str], piped: set[str]) -> None:
    for name in names:
        if name in (".", ".."):
            raise ValidationException(f"{name} is not a channel name.")
        if names.count(name) > 1:
            raise ValidationException(f"Channel names must be unique, and {name} is given twice.")
        owner = re.sub(r"_[0-9]+$", "", name)
        if owner != name and owner in piped:
            raise ValidationException(f"Channel {name} would stand where the pipes of channel {owner} are.")


def _check_groups(channel: Channel, config: Mapping[str, Any]) -> None:
    known = [group["InstanceGroupName"] for group in config.get("InstanceGroups", ())]
    for name in channel.groups:
        if name not in known:
            raise ValidationException(f"Channel {channel.name}: there is no instance group {name} in ResourceConfig.")


def _check_mode(channel: Channel) -> None:
    if channel.kind == AUGMENTED:
        if channel.mode != "Pipe":
            raise ValidationException(
                f"Channel {channel.name}: AugmentedManifestFile is only supported with InputMode Pipe."
            )
        if not channel.attributes:
            raise ValidationException(f"Channel {channel.name}: AttributeNames is required with AugmentedManifestFile.")
    if channel.mode == "FastFile" and channel.kind != PREFIX:
        raise ValidationException(f"Channel {channel.name}: InputMode FastFile is only supported with S3Prefix.")


def _check_file_system(ctx: Context, channel: Channel) -> None:
    wanted = channel.file_system
    if wanted is None or channel.mode != "File":
        raise ValidationException(f"Channel {channel.name}: file systems are only supported with InputMode File.")
    if wanted.id not in (ctx.need(Settings).file_systems or {}):
        raise ValidationException(f"File system '{wanted.id}' does not exist.")
    if not is_path(wanted.path):
        raise ValidationException(f"Channel {channel.name}: {wanted.path} is not an absolute DirectoryPath.")
