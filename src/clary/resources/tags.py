"""AddTags, ListTags and DeleteTags, for any record that has an ARN, and the rules for tags given at creation."""

from typing import Any

from clary.resources.kinds import Kinds, Request
from clary.resources.records import Record
from clary.resources.refusals import missing
from clary.resources.sealed import open_token, seal
from clary.resources.store import Store
from clary.wire.context import Context
from clary.wire.errors import AwsError, ResourceLimitExceeded, ValidationException
from clary.wire.operations import operation

LIMIT = 50
PAGE = 50


def checked(given: list[dict[str, Any]]) -> dict[str, str]:
    """Tags of a request by key. Raises `ValidationException` for AWS's own prefix and for doubled keys."""
    tags = {tag["Key"]: tag["Value"] for tag in given}
    if len(tags) != len(given):
        raise ValidationException("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if any(key.lower().startswith("aws:") for key in tags):
        raise ValidationException("aws: prefixed tag key names are not allowed for external use.")
    if len(tags) > LIMIT:
        raise _too_many()
    return tags


@operation("AddTags")
def add_tags(ctx: Context, request: Request) -> Request:
    added = checked(request["Tags"])
    store = ctx.need(Store)
    with store.write(lock=request["ResourceArn"]):
        record = _find(ctx, request["ResourceArn"])
        tags = store.tags(record.id) | added
        if len(tags) > LIMIT:
            raise _too_many()
        if added:
            store.set_tags(record.id, added)
    return {"Tags": _listed(tags)}


@operation("ListTags")
def list_tags(ctx: Context, request: Request) -> Request:
    record = _find(ctx, request["ResourceArn"])
    scope = ["ListTags", ctx.account, record.id]
    start = open_token(ctx, request.get("NextToken"), scope, [""])[0]
    tags = {key: value for key, value in ctx.need(Store).tags(record.id).items() if key > start}
    page = _listed(tags)[: request.get("MaxResults", PAGE)]
    if len(page) == len(tags):
        return {"Tags": page}
    return {"Tags": page, "NextToken": seal(ctx, scope, [page[-1]["Key"]])}


@operation("DeleteTags")
def delete_tags(ctx: Context, request: Request) -> Request:
    ctx.need(Store).drop_tags(_find(ctx, request["ResourceArn"]).id, request["TagKeys"])
    return {}


OPERATIONS = (add_tags, list_tags, delete_tags)


def _find(ctx: Context, arn: str) -> Record:
    record = ctx.need(Store).by_arn(arn)
    if record is not None and (record.account, record.region) == (ctx.account, ctx.region):
        return record
    raise _unknown(ctx, arn)


def _unknown(ctx: Context, arn: str) -> AwsError:
    segment = arn.split(":", 5)[-1].split("/")[0]
    for kind in ctx.need(Kinds):
        if kind.arn.split("/")[0] == segment:
            return missing(kind, arn.split("/", 1)[-1], arn)
    return ValidationException(f"Could not find resource {arn}")


def _too_many() -> AwsError:
    return ResourceLimitExceeded(f"A resource cannot have more than {LIMIT} tags.")


def _listed(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": tags[key]} for key in sorted(tags)]
