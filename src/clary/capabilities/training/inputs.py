"""What CreateTrainingJob checks of input channels. `admit.py` calls it."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from clary.capabilities.training.channels import (
    AUGMENTED,
    FILE_SYSTEM,
    MANIFEST,
    PREFIX,
    Channel,
    channels,
)
from clary.capabilities.training.file_systems import is_path
from clary.objects import Objects, parse_uri
from clary.settings import Settings
from clary.wire.context import Context
from clary.wire.errors import ValidationException

HasBucket = Callable[[str], bool]
"""Whether a bucket is the account's."""


def check(ctx: Context, spec: Mapping[str, Any], has_bucket: HasBucket) -> None:
    """Raises `ValidationException`."""
    found = channels(spec)
    _check_names([channel.name for channel in found], {channel.name for channel in found if channel.mode == "Pipe"})
    for channel in found:
        _check_groups(channel, spec["ResourceConfig"])
        if channel.kind == FILE_SYSTEM:
            _check_file_system(ctx, channel)
        elif channel.kind in (PREFIX, MANIFEST, AUGMENTED):
            _check_mode(channel)
            _check_data(ctx, channel, spec, has_bucket)
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


def _check_data(ctx: Context, channel: Channel, spec: Mapping[str, Any], has_bucket: HasBucket) -> None:
    bucket, key = _uri(channel.uri)
    if not has_bucket(bucket):
        raise _no_objects(ctx, channel.uri, bucket, spec, "The specified bucket does not exist")
    if not _is_there(ctx.need(Objects), bucket, key, channel.mode):
        raise _no_objects(ctx, channel.uri, bucket, spec, "")


def _is_there(objects: Objects, bucket: str, key: str, mode: str) -> bool:
    if mode != "FastFile" or not key or key.endswith("/"):
        return objects.has_prefix(bucket, key)
    return objects.find(bucket, key) is not None or objects.has_prefix(bucket, f"{key}/")


def _no_objects(ctx: Context, uri: str, bucket: str, spec: Mapping[str, Any], cause: str) -> ValidationException:
    return ValidationException(
        f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket exists '
        f"in the selected region ({ctx.region}), that objects exist under that S3 prefix, and that the role "
        f'"{spec["RoleArn"]}" has "s3:ListBucket" permissions on bucket "{bucket}".'
        + (f" Error message from S3: {cause}" if cause else "")
    )


def _uri(uri: str) -> tuple[str, str]:
    try:
        return parse_uri(uri)
    except ValueError:
        raise ValidationException(f"{uri} is not an S3 URI.") from None
