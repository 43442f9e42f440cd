"""The Model kind: nothing runs for it, so all there is to say is what CreateModel checks."""

from collections.abc import Callable
from typing import Any

from clary.capabilities import images
from clary.companions.iam.roles import check_pass_role
from clary.objects import Objects, parse_uri
from clary.resources.kinds import Kind
from clary.runtime.images import NotManaged, UnknownImage
from clary.wire.context import Context
from clary.wire.errors import NotBuilt, ValidationException

Request = dict[str, Any]


def ahead(ctx: Context, request: Request) -> Callable[[], None] | None:
    """The check of an image that the machine's engine knows, if any."""
    return images.asking(_check_image, ctx, (_primary(request) or {}).get("Image"))


def admit(ctx: Context, request: Request) -> Request:
    """AWS's checks at creation: one container, a usable role, an artefact that is there."""
    containers = request.get("Containers") or []
    primary = _primary(request)
    _refuse_unbuilt(containers, primary)
    if primary is None or (containers and "PrimaryContainer" in request):
        raise ValidationException("Specify either PrimaryContainer or Containers, and not both.")
    if role := request.get("ExecutionRoleArn"):
        check_pass_role(ctx, role)
    if not primary.get("Image"):
        raise ValidationException("A container definition needs an Image.")
    _check_data(ctx, primary)
    shown = {"Environment": {}, "Mode": "SingleModel", **primary}
    where = {"Containers": [shown]} if containers else {"PrimaryContainer": shown}
    return {"EnableNetworkIsolation": False, **request, **where}


def _refuse_unbuilt(containers: list[Request], primary: Request | None) -> None:
    if len(containers) > 1:
        raise NotBuilt("Models of several containers (inference pipelines) are not supported yet.")
    if primary is None:
        return
    if primary.get("Mode") == "MultiModel" or "MultiModelConfig" in primary:
        raise NotBuilt("Multi-model containers (Mode MultiModel) are not supported yet.")
    for member in ("ModelPackageName", "AdditionalModelDataSources", "InferenceSpecificationName"):
        if primary.get(member):
            raise NotBuilt(f"{member} in a container definition is not supported yet.")


def _primary(request: Request) -> Request | None:
    containers = request.get("Containers") or []
    return request.get("PrimaryContainer") or (containers[0] if len(containers) == 1 else None)


def _check_image(ctx: Context, image: str) -> None:
    try:
        images.check(ctx, image)
    except NotManaged:
        # The endpoint says so: a model alone needs no runtime.
        return
    except UnknownImage as error:
        raise ValidationException(f"Requested image {image} not found. {error}") from error


def _check_data(ctx: Context, container: Request) -> None:
    """The artefact is in a bucket of the caller's account."""
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    uri = container.get("ModelDataUrl") or (source or {}).get("S3Uri")
    if not uri:
        return
    objects = ctx.need(Objects)
    try:
        bucket, key = parse_uri(uri)
    except ValueError as error:
        raise ValidationException(str(error)) from error
    mine = objects.bucket_exists(ctx.account, bucket)
    is_prefix = source is not None and source["S3DataType"] == "S3Prefix"
    there = mine and (objects.has_prefix(bucket, key) if is_prefix else objects.find(bucket, key) is not None)
    if not there:
        raise ValidationException(f"Could not find model data at {uri}.")


MODEL = Kind(
    noun="Model",
    arn="model/{ModelName}",
    ahead=ahead,
    admit=admit,
    missing=("ValidationException", 'Could not find model "{arn}".'),
    exists=("ValidationException", 'Cannot create already existing model "{arn}".'),
)
