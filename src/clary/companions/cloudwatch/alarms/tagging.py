"""Tags of alarms, by their ARNs."""

from clary.companions.cloudwatch.alarms.kind import arn, get
from clary.resources.records import Record
from clary.resources.store import Store
from clary.resources.tags import checked
from clary.wire.context import Context
from clary.wire.errors import AwsError
from clary.wire.operations import Request, Response, operation


@operation("ListTagsForResource", "cloudwatch")
def list_tags(ctx: Context, request: Request) -> Response:
    kept = ctx.need(Store).tags(_tagged(ctx, request).id)
    return {"Tags": [{"Key": key, "Value": value} for key, value in sorted(kept.items())]}


@operation("TagResource", "cloudwatch")
def tag(ctx: Context, request: Request) -> None:
    ctx.need(Store).set_tags(_tagged(ctx, request).id, checked(request["Tags"]))


@operation("UntagResource", "cloudwatch")
def untag(ctx: Context, request: Request) -> None:
    ctx.need(Store).drop_tags(_tagged(ctx, request).id, request["TagKeys"])


def _tagged(ctx: Context, request: Request) -> Record:
    prefix = arn(ctx.account, ctx.region, "")
    given = request["ResourceARN"]
    found = given.startswith(prefix) and get(ctx.need(Store), ctx.account, ctx.region, given.removeprefix(prefix))
    if not found:
        message = f"The resource {given} does not exist."
        raise AwsError(message, code="ResourceNotFoundException", status=404)
    return found
