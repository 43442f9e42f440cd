"""The operations of ECR: the AWS repositories that this Clary recognises can be looked up; nothing can be pulled."""

from collections.abc import Callable, Iterator
from typing import Any

from clary.companions import tokens
from clary.companions.ecr.repositories import Repositories, Repository
from clary.wire.context import Context
from clary.wire.errors import AwsError, NotBuilt
from clary.wire.operations import Request, Response, operation


@operation("DescribeRepositories", "ecr")
def describe_repositories(ctx: Context, request: Request) -> Response:
    registry = request.get("registryId", ctx.account)
    names = request.get("repositoryNames")
    if names:
        return {"repositories": [_shown(ctx, _find(ctx, registry, name)) for name in names]}
    found = ctx.need(Repositories).of(ctx.region, registry)
    return _page(
        found, lambda one: one.name, f"repositories {registry}", request, "repositories", lambda one: _shown(ctx, one)
    )


@operation("ListImages", "ecr")
def list_images(ctx: Context, request: Request) -> Response:
    found = _find(ctx, request.get("registryId", ctx.account), request["repositoryName"])
    tags = iter(found.tags) if _tagged(request) else iter(())
    return _page(tags, str, f"images {found}", request, "imageIds", lambda tag: {"imageTag": tag})


@operation("DescribeImages", "ecr")
def describe_images(ctx: Context, request: Request) -> Response:
    """Without digests, sizes and dates: no image was ever here."""
    found = _find(ctx, request.get("registryId", ctx.account), request["repositoryName"])

    def shown(tag: str) -> Response:
        return {"registryId": found.registry, "repositoryName": found.name, "imageTags": [tag]}

    if wanted := request.get("imageIds"):
        return {"imageDetails": [shown(_tag(found, one)) for one in wanted]}
    tags = iter(found.tags) if _tagged(request) else iter(())
    return _page(tags, str, f"images {found}", request, "imageDetails", shown)


@operation("GetAuthorizationToken", "ecr", depth="refuses")
def get_authorization_token(ctx: Context, request: Request) -> Response:
    raise NotBuilt("GetAuthorizationToken is not available here: this is no container registry.")


@operation("BatchGetImage", "ecr", depth="refuses")
def batch_get_image(ctx: Context, request: Request) -> Response:
    raise NotBuilt("BatchGetImage is not available here: images are recognised by name, their manifests are not kept.")


def _tagged(request: Request) -> bool:
    return bool(request.get("filter", {}).get("tagStatus") != "UNTAGGED")


def _find(ctx: Context, registry: str, name: str) -> Repository:
    found = ctx.need(Repositories).find(ctx.region, registry, name)
    if found is None:
        raise AwsError(
            f"The repository with name '{name}' does not exist in the registry with id '{registry}'",
            code="RepositoryNotFoundException",
            status=400,
        )
    return found


def _tag(found: Repository, wanted: Request) -> str:
    tag = str(wanted.get("imageTag", ""))
    if tag in found.tags and "imageDigest" not in wanted:
        return tag
    named = ", ".join(f"{key}:'{value}'" for key, value in sorted(wanted.items()))
    raise AwsError(
        f"The image with imageId {{{named}}} does not exist within the repository with name '{found.name}' "
        f"in the registry with id '{found.registry}'",
        code="ImageNotFoundException",
        status=400,
    )


def _shown(ctx: Context, one: Repository) -> Response:
    return {
        "repositoryArn": f"arn:aws:ecr:{ctx.region}:{one.registry}:repository/{one.name}",
        "registryId": one.registry,
        "repositoryName": one.name,
        "repositoryUri": f"{one.registry}.dkr.ecr.{ctx.region}.amazonaws.com/{one.name}",
        "imageTagMutability": "IMMUTABLE",
    }


def _page(
    items: Iterator[Any],
    key: Callable[[Any], str],
    listing: str,
    request: Request,
    member: str,
    show: Callable[[Any], Response],
) -> Response:
    try:
        found, token = tokens.page(items, key, listing, request.get("nextToken"), request.get("maxResults", 100))
    except tokens.BadToken as error:
        raise AwsError(
            "Invalid parameter at 'nextToken' failed to satisfy constraint: 'Invalid token'",
            code="InvalidParameterException",
            status=400,
        ) from error
    return {member: [show(one) for one in found]} | ({"nextToken": token} if token else {})
