"""What an image URI of a request means to the account that wrote it. Every capability that runs images asks here."""

from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from clary.runtime.containers.images import Containers
from clary.runtime.images import NotManaged, UnknownImage, address, environment_of
from clary.settings import Settings
from clary.wire.context import Context


def canonical(uri: str, endpoint: str, account: str, region: str) -> str:
    """The URI in ECR's form where it names this server's own registry by its address, as `docker push` has to."""
    own, _, rest = uri.partition("/")
    if not rest or own != urlsplit(endpoint).netloc:
        return uri
    return f"{account}.dkr.ecr.{region}.amazonaws.com/{rest}"


def asking(check: Callable[[Context, str], None], ctx: Context, uri: str | None) -> Callable[[], None] | None:
    """For `Kind.ahead`: a `check` of the image to be made, which asks the machine's engine, unless a runtime is known
    to stand in for it."""
    return partial(check, ctx, uri) if uri and not framework(uri) else None


def check(ctx: Context, uri: str) -> None:
    """Whether the caller may run the image, and this machine can. Raises `UnknownImage`. May take a moment."""
    try:
        environment_of(uri)
        return
    except NotManaged:
        if ctx.need(Containers).aliases.get(uri) is None:
            raise
    except UnknownImage:
        pass
    if ctx.need(Settings).backend == "ray":
        raise UnknownImage(f"{uri} would run as a container, which the nodes of a Ray cluster do not do yet.")
    _check_container(ctx, canonical(uri, ctx.need(Settings).url, ctx.account, ctx.region))


def framework(uri: str) -> str:
    """The managed runtime that stands in for the image; empty where it runs as a container."""
    try:
        return environment_of(uri)
    except UnknownImage:
        return ""


def _check_container(ctx: Context, uri: str) -> None:
    containers = ctx.need(Containers)
    found = address(uri)
    foreign = found is not None and found.account != ctx.account
    if foreign and containers.aliases.get(uri) is None:
        raise UnknownImage(f"{uri} is in the registry of another account, and no alias of this machine names it.")
    containers.check(uri)
