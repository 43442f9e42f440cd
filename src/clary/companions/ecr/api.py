"""The operations of ECR.

AWS's repositories are found by name, as far as they can be run here; the account's own are made, filled by
`docker push` (`registry.py`), shown and deleted.
"""

import base64
from collections.abc import Callable, Iterable
from typing import Any

from clary.companions import tokens
from clary.companions.ecr import access
from clary.companions.ecr.images import LONGEST_NAME, NAME, Images, InUse
from clary.companions.ecr.repositories import Repositories, Repository
from clary.companions.iam import KeyRing
from clary.resources.records import Record
from clary.resources.store import NameTaken, Store
from clary.settings import Settings
from clary.wire.context import Context
from clary.wire.errors import AwsError
from clary.wire.operations import Request, Response, operation


@operation("CreateRepository", "ecr")
def create_repository(ctx: Context, request: Request) -> Response:
    name = request["repositoryName"]
    if _registry(ctx, request) != ctx.account:
        raise _refused("A repository cannot be made in another account's registry.", "InvalidParameterException")
    if not NAME.fullmatch(name) or not 2 <= len(name) <= LONGEST_NAME:
        raise _refused(f"Invalid parameter at 'repositoryName': '{name}'", "InvalidParameterException")
    spec = {
        "imageTagMutability": request.get("imageTagMutability", "MUTABLE"),
        "imageScanningConfiguration": request.get("imageScanningConfiguration", {"scanOnPush": False}),
        "encryptionConfiguration": request.get("encryptionConfiguration", {"encryptionType": "AES256"}),
    }
    try:
        made = ctx.need(Images).create(ctx.account, ctx.region, name, spec)
    except NameTaken as error:
        text = f"The repository with name '{name}' already exists in the registry with id '{ctx.account}'"
        raise _refused(text, "RepositoryAlreadyExistsException") from error
    ctx.need(Store).set_tags(made.id, {tag["Key"]: tag["Value"] for tag in request.get("tags", ())})
    return {"repository": _own(ctx, made)}


@operation("DeleteRepository", "ecr")
def delete_repository(ctx: Context, request: Request) -> Response:
    found = _mine(ctx, request)
    shown = _own(ctx, found)
    try:
        ctx.need(Images).delete(found, force=request.get("force", False))
    except InUse as error:
        text = (
            f"The repository with name '{found.name}' in registry with id '{ctx.account}' cannot be deleted because it "
            "still contains images"
        )
        raise _refused(text, "RepositoryNotEmptyException") from error
    return {"repository": shown}


@operation("DescribeRepositories", "ecr")
def describe_repositories(ctx: Context, request: Request) -> Response:
    registry = _registry(ctx, request)
    names = request.get("repositoryNames")
    if names:
        return {"repositories": [_shown(ctx, _find(ctx, registry, name)) for name in names]}
    found: Iterable[Record | Repository] = ctx.need(Repositories).of(ctx.region, registry)
    if registry == ctx.account:
        found = ctx.need(Images).repositories(ctx.account, ctx.region)
    return _page(
        found, lambda one: one.name, f"repositories {registry}", request, "repositories", lambda one: _shown(ctx, one)
    )


@operation("ListImages", "ecr")
def list_images(ctx: Context, request: Request) -> Response:
    found = _find(ctx, _registry(ctx, request), request["repositoryName"])
    wanted = request.get("filter", {}).get("tagStatus")
    if isinstance(found, Repository):
        tags = iter(found.tags) if wanted != "UNTAGGED" else iter(())
        return _page(tags, str, f"images {found}", request, "imageIds", lambda tag: {"imageTag": tag})
    every = [(image.name, tag) for image, names in _images(ctx, found) for tag in (names or [""])]
    kept = sorted(pair for pair in every if wanted in (None, "ANY", "TAGGED" if pair[1] else "UNTAGGED"))
    return _page(
        kept,
        " ".join,
        f"images {found.id}",
        request,
        "imageIds",
        lambda pair: {"imageDigest": pair[0]} | ({"imageTag": pair[1]} if pair[1] else {}),
    )


@operation("DescribeImages", "ecr")
def describe_images(ctx: Context, request: Request) -> Response:
    """Without digests, sizes and dates for AWS's images: none of those was ever here."""
    found = _find(ctx, _registry(ctx, request), request["repositoryName"])
    if isinstance(found, Repository):
        return _describe_known(found, request)
    wanted = request.get("filter", {}).get("tagStatus")
    details = {image.name: _detail(image, names) for image, names in _images(ctx, found)}
    if ids := request.get("imageIds"):
        return {"imageDetails": [details[_digest(ctx, found, one)] for one in ids]}
    kept = [one for one in details.values() if wanted in (None, "ANY", "TAGGED" if "imageTags" in one else "UNTAGGED")]
    return _page(kept, lambda one: str(one["imageDigest"]), f"details {found.id}", request, "imageDetails", dict)


@operation("BatchGetImage", "ecr")
def batch_get_image(ctx: Context, request: Request) -> Response:
    found = _mine(ctx, request)
    images, failures = [], []
    for wanted in request["imageIds"]:
        try:
            images.append(_manifest(ctx, found, wanted, _digest(ctx, found, wanted)))
        except AwsError:
            failures.append(_failure(wanted))
    return {"images": images, "failures": failures}


@operation("BatchDeleteImage", "ecr")
def batch_delete_image(ctx: Context, request: Request) -> Response:
    """A tag loses its image; an image that is named by its digest goes with all its tags."""
    found = _mine(ctx, request)
    gone, failures = [], []
    for wanted in request["imageIds"]:
        try:
            digest = _digest(ctx, found, wanted)
        except AwsError:
            failures.append(_failure(wanted))
            continue
        by_tag = "imageDigest" not in wanted
        ctx.need(Images).remove(found, **({"tag": wanted["imageTag"]} if by_tag else {"digest": digest}))
        gone.append(wanted | {"imageDigest": digest})
    return {"imageIds": gone, "failures": failures}


@operation("GetAuthorizationToken", "ecr")
def get_authorization_token(ctx: Context, request: Request) -> Response:
    password, expires = access.issue(ctx.need(KeyRing), ctx.principal, ctx.region)
    token = base64.b64encode(f"{access.USER}:{password}".encode()).decode()
    where = ctx.need(Settings).url
    return {"authorizationData": [{"authorizationToken": token, "expiresAt": expires, "proxyEndpoint": where}]}


def _registry(ctx: Context, request: Request) -> str:
    return str(request.get("registryId", ctx.account))


def _find(ctx: Context, registry: str, name: str) -> Record | Repository:
    found: Record | Repository | None
    if registry == ctx.account:
        found = ctx.need(Images).repository(ctx.account, ctx.region, name)
    else:
        found = ctx.need(Repositories).find(ctx.region, registry, name)
    if found is None:
        raise _refused(
            f"The repository with name '{name}' does not exist in the registry with id '{registry}'",
            "RepositoryNotFoundException",
        )
    return found


def _mine(ctx: Context, request: Request) -> Record:
    """A repository of the caller's; AWS's hold no manifests and cannot be changed."""
    registry, name = _registry(ctx, request), request["repositoryName"]
    found = _find(ctx, registry, name)
    if isinstance(found, Repository):
        raise _refused(
            f"{ctx.operation} is not available for the repository '{name}' of {registry}: AWS's own images are "
            "recognised by name, their manifests are not kept.",
            "RepositoryNotFoundException",
        )
    return found


def _images(ctx: Context, repository: Record) -> list[tuple[Record, list[str]]]:
    """Each image with its tags."""
    images = ctx.need(Images)
    tags = images.tags(repository)
    return [
        (image, [tag for tag, digest in tags.items() if digest == image.name]) for image in images.images(repository)
    ]


def _digest(ctx: Context, repository: Record, wanted: Request) -> str:
    """Raises ImageNotFoundException."""
    tag, digest = wanted.get("imageTag", ""), wanted.get("imageDigest", "")
    found = ctx.need(Images).image(repository, tag or digest) if tag or digest else None
    if found is None or (digest and found.name != digest):
        raise _no_image(wanted, repository.name, repository.account)
    return found.name


def _detail(image: Record, tags: list[str]) -> Response:
    shown = {
        "registryId": image.account,
        "repositoryName": image.parent,
        "imageDigest": image.name,
        "imageSizeInBytes": image.spec["size"],
        "imagePushedAt": image.created,
        "imageManifestMediaType": image.spec["mediaType"],
    }
    return shown | ({"imageTags": tags} if tags else {})


def _manifest(ctx: Context, repository: Record, wanted: Request, digest: str) -> Response:
    images = ctx.need(Images)
    image = images.image(repository, digest)
    return {
        "registryId": repository.account,
        "repositoryName": repository.name,
        "imageId": {"imageDigest": digest} | ({"imageTag": wanted["imageTag"]} if "imageTag" in wanted else {}),
        "imageManifest": images.manifest(repository, digest).decode(),
        "imageManifestMediaType": image.spec["mediaType"] if image else "",
    }


def _failure(wanted: Request) -> Response:
    if not wanted:
        return {"imageId": wanted, "failureCode": "MissingDigestAndTag", "failureReason": "Invalid request parameters"}
    return {"imageId": wanted, "failureCode": "ImageNotFound", "failureReason": "Requested image not found"}


def _describe_known(found: Repository, request: Request) -> Response:
    def shown(tag: str) -> Response:
        return {"registryId": found.registry, "repositoryName": found.name, "imageTags": [tag]}

    if wanted := request.get("imageIds"):
        return {"imageDetails": [shown(_tag(found, one)) for one in wanted]}
    tags = iter(found.tags) if request.get("filter", {}).get("tagStatus") != "UNTAGGED" else iter(())
    return _page(tags, str, f"images {found}", request, "imageDetails", shown)


def _tag(found: Repository, wanted: Request) -> str:
    tag = str(wanted.get("imageTag", ""))
    if tag in found.tags and "imageDigest" not in wanted:
        return tag
    raise _no_image(wanted, found.name, found.registry)


def _no_image(wanted: Request, name: str, registry: str) -> AwsError:
    named = ", ".join(f"{key}:'{value}'" for key, value in sorted(wanted.items()))
    return _refused(
        f"The image with imageId {{{named}}} does not exist within the repository with name '{name}' "
        f"in the registry with id '{registry}'",
        "ImageNotFoundException",
    )


def _shown(ctx: Context, one: Record | Repository) -> Response:
    if isinstance(one, Record):
        return _own(ctx, one)
    return {
        "repositoryArn": f"arn:aws:ecr:{ctx.region}:{one.registry}:repository/{one.name}",
        "registryId": one.registry,
        "repositoryName": one.name,
        "repositoryUri": f"{one.registry}.dkr.ecr.{ctx.region}.amazonaws.com/{one.name}",
        "imageTagMutability": "IMMUTABLE",
    }


def _own(ctx: Context, one: Record) -> Response:
    """With an address that can be pushed to: AWS's would lead there."""
    settings = ctx.need(Settings)
    return {
        "repositoryArn": f"arn:aws:ecr:{one.region}:{one.account}:repository/{one.name}",
        "registryId": one.account,
        "repositoryName": one.name,
        "repositoryUri": f"{settings.host}:{settings.port}/{one.name}",
        "createdAt": one.created,
        **one.spec,
    }


def _refused(message: str, code: str) -> AwsError:
    return AwsError(message, code=code, status=400)


def _page(
    items: Iterable[Any],
    key: Callable[[Any], str],
    listing: str,
    request: Request,
    member: str,
    show: Callable[[Any], Response],
) -> Response:
    try:
        found, token = tokens.page(items, key, listing, request.get("nextToken"), request.get("maxResults", 100))
    except tokens.BadToken as error:
        raise _refused(
            "Invalid parameter at 'nextToken' failed to satisfy constraint: 'Invalid token'",
            "InvalidParameterException",
        ) from error
    return {member: [show(one) for one in found]} | ({"nextToken": token} if token else {})
