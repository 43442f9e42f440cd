"""What CreateModel checks of its container definitions: how many, their names, their modes, their data."""

from typing import Any

from clary.objects import Objects, parse_uri
from clary.settings import Settings
from clary.wire.context import Context
from clary.wire.errors import NotBuilt, ValidationException

Request = dict[str, Any]

UNBUILT = {
    "ModelPackageName": "Give what the package says: Image, ModelDataUrl or ModelDataSource, and Environment.",
    "InferenceSpecificationName": "It chooses among the containers of a model package: give that container itself.",
}
UNBUILT_SOURCE = {
    "ManifestS3Uri": "Give the S3Prefix that the files of the manifest are below.",
    "HubAccessConfig": "Give the S3Uri of a bucket of your own.",
}
"""By member, what to do instead."""


def defined(request: Request) -> list[Request]:
    """The container definitions of a request. Raises unless it gives one primary container or a list."""
    containers: list[Request] = request.get("Containers") or []
    primary = request.get("PrimaryContainer")
    if bool(containers) == bool(primary):
        raise ValidationException("Specify either PrimaryContainer or Containers, and not both.")
    return containers or [primary or {}]


def admit(ctx: Context, containers: list[Request]) -> list[Request]:
    """The definitions with what they leave out. Raises ValidationException, or NotBuilt."""
    _check_names(containers)
    if sum(container.get("Mode") == "MultiModel" for container in containers) > 1:
        raise ValidationException("Only one container of a model can have the mode MultiModel.")
    for container in containers:
        _check(ctx, container)
    return [{"Environment": {}, "Mode": "SingleModel", **container} for container in containers]


def _check_names(containers: list[Request]) -> None:
    if len(containers) < 2:
        return
    names = [container["ContainerHostname"] for container in containers if container.get("ContainerHostname")]
    if names and len(names) < len(containers):
        raise ValidationException(
            "If you specify a ContainerHostname for any container definition, you must specify one for every one."
        )
    if len(set(names)) < len(names):
        raise ValidationException("The ContainerHostname of each container definition must be unique.")


def _check(ctx: Context, container: Request) -> None:
    _refuse(UNBUILT, container, "a container definition")
    if not container.get("Image"):
        raise ValidationException("A container definition needs an Image.")
    if container.get("Mode") == "MultiModel":
        _check_multi_model(ctx, container)
    elif "MultiModelConfig" in container:
        raise ValidationException("MultiModelConfig can only be used with the mode MultiModel.")
    else:
        _check_data(ctx, container)
    _check_additional(ctx, container.get("AdditionalModelDataSources", []))


def _refuse(unbuilt: dict[str, str], given: Request, what: str) -> None:
    for member, instead in unbuilt.items():
        if given.get(member):
            raise NotBuilt(f"{member} in {what} is not supported yet. {instead}")


def _check_multi_model(ctx: Context, container: Request) -> None:
    """Models may be put below the prefix at any time: there need be none yet."""
    if container.get("ModelDataSource") or not container.get("ModelDataUrl"):
        raise ValidationException("A container of mode MultiModel needs a ModelDataUrl, the S3 prefix of its models.")
    if ctx.need(Settings).backend == "ray":
        raise NotBuilt("Multi-model containers (Mode MultiModel) on a Ray cluster are not supported yet.")
    bucket, _ = _parsed(container["ModelDataUrl"])
    if not ctx.need(Objects).bucket_exists(ctx.account, bucket):
        raise ValidationException(f"Could not find model data at {container['ModelDataUrl']}.")


def _check_data(ctx: Context, container: Request) -> None:
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source and container.get("ModelDataUrl"):
        raise ValidationException("Specify either ModelDataUrl or ModelDataSource in a container definition.")
    if source:
        _check_source(ctx, source)
    elif url := container.get("ModelDataUrl"):
        _check_there(ctx, url, is_prefix=False)


def _check_additional(ctx: Context, sources: list[Request]) -> None:
    """Each channel is a folder."""
    names = [source["ChannelName"] for source in sources]
    if len(set(names)) < len(names):
        raise ValidationException("The ChannelName of each of AdditionalModelDataSources must be unique.")
    for name, source in zip(names, sources, strict=True):
        if name in (".", ".."):
            raise ValidationException(f"The ChannelName {name} of AdditionalModelDataSources is not a folder's name.")
        _check_source(ctx, source["S3DataSource"])


def _check_source(ctx: Context, source: Request) -> None:
    _refuse(UNBUILT_SOURCE, source, "an S3DataSource of a model")
    _check_there(ctx, source["S3Uri"], is_prefix=source["S3DataType"] == "S3Prefix")


def _check_there(ctx: Context, uri: str, *, is_prefix: bool) -> None:
    """In a bucket of the caller's account."""
    objects = ctx.need(Objects)
    bucket, key = _parsed(uri)
    mine = objects.bucket_exists(ctx.account, bucket)
    there = mine and (objects.has_prefix(bucket, key) if is_prefix else objects.find(bucket, key) is not None)
    if not there:
        raise ValidationException(f"Could not find model data at {uri}.")


def _parsed(uri: str) -> tuple[str, str]:
    try:
        return parse_uri(uri)
    except ValueError as error:
        raise ValidationException(str(error)) from error
