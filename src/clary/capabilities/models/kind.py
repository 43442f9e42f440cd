"""The Model kind: nothing runs for it, so all there is to say is what CreateModel checks."""

from collections.abc import Callable
from typing import Any

from clary.capabilities import images
from clary.capabilities.models import containers
from clary.companions.iam.roles import check_pass_role
from clary.resources.kinds import Kind
from clary.runtime.images import NotManaged, UnknownImage
from clary.wire.context import Context
from clary.wire.errors import ValidationException

Request = dict[str, Any]


def ahead(ctx: Context, request: Request) -> Callable[[], None] | None:
    """The checks of those images that the machine's engine knows, if any."""
    wanted = {container.get("Image") for container in containers.defined(request)}
    checks = [check for image in wanted if (check := images.asking(_check_image, ctx, image))]
    if not checks:
        return None

    def all_of_them() -> None:
        for check in checks:
            check()

    return all_of_them


def admit(ctx: Context, request: Request) -> Request:
    """AWS's checks at creation: 1 to 15 containers, a usable role, artefacts that are there."""
    defined = containers.defined(request)
    if role := request.get("ExecutionRoleArn"):
        check_pass_role(ctx, role)
    shown = containers.admit(ctx, defined)
    where = {"Containers": shown} if request.get("Containers") else {"PrimaryContainer": shown[0]}
    return {"EnableNetworkIsolation": False, **request, **where}


def _check_image(ctx: Context, image: str) -> None:
    try:
        images.check(ctx, image)
    except NotManaged:
        # The endpoint says so: a model alone needs no runtime.
        return
    except UnknownImage as error:
        raise ValidationException(f"Requested image {image} not found. {error}") from error


MODEL = Kind(
    noun="Model",
    arn="model/{ModelName}",
    ahead=ahead,
    admit=admit,
    missing=("ValidationException", 'Could not find model "{arn}".'),
    exists=("ValidationException", 'Cannot create already existing model "{arn}".'),
)
