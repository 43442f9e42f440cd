"""Customer managed policies: stored documents of one version. AWS's own policies can be attached by their ARN."""

import re
from collections import Counter

from clary.companions.iam import documents
from clary.companions.iam.entities import (
    POLICY,
    ROLE,
    USER,
    arn_of,
    by_arn,
    create,
    encoded,
    every,
    listed,
    no_such,
    shown,
    tag_list,
)
from clary.resources.records import Record
from clary.resources.store import Store
from clary.wire.context import Context
from clary.wire.errors import AwsError, NotBuilt
from clary.wire.operations import Request, Response, operation

AWS_POLICY = re.compile(r"arn:aws:iam::aws:policy/(?:[\w+=,.@-]+/)*[\w+=,.@-]+")
VERSION = "v1"


def attachable(ctx: Context, arn: str) -> str:
    """The ARN of a policy that exists: one of the account's or, unchecked, one of AWS's. Raises NoSuchEntity."""
    if AWS_POLICY.fullmatch(arn):
        return arn
    return arn_of(POLICY, _find(ctx, arn, "Policy {arn} does not exist or is not attachable."))


def path_of(arn: str) -> str:
    """`/service-role/` of `arn:aws:iam::aws:policy/service-role/Name`."""
    return "/" + arn.partition(":policy/")[2].rpartition("/")[0] + ("/" if arn.count("/") > 1 else "")


def document_of(store: Store, account: str, arn: str) -> str | None:
    """The document behind an attached ARN. AWS's own are not known here; they only ever allow."""
    record = by_arn(store, account, arn)
    return record.spec["PolicyDocument"] if record else None


@operation("CreatePolicy", "iam", depth="records")
def create_policy(ctx: Context, request: Request) -> Response:
    documents.statements(request["PolicyDocument"])
    record = create(ctx.need(Store), ctx.account, POLICY, request)
    return {"Policy": _full(ctx, record, Counter())}


@operation("GetPolicy", "iam", depth="records")
def get_policy(ctx: Context, request: Request) -> Response:
    if AWS_POLICY.fullmatch(request["PolicyArn"]):
        raise _foreign(request["PolicyArn"])
    return {"Policy": _full(ctx, _find(ctx, request["PolicyArn"]), _attachments(ctx))}


@operation("GetPolicyVersion", "iam", depth="records")
def get_policy_version(ctx: Context, request: Request) -> Response:
    if AWS_POLICY.fullmatch(request["PolicyArn"]):
        raise _foreign(request["PolicyArn"])
    policy = _find(ctx, request["PolicyArn"])
    if request["VersionId"] != VERSION:
        raise no_such(f"Policy {request['PolicyArn']} version {request['VersionId']} does not exist.")
    return {"PolicyVersion": _version(policy) | {"Document": encoded(policy.spec["PolicyDocument"])}}


@operation("ListPolicyVersions", "iam", depth="records")
def list_policy_versions(ctx: Context, request: Request) -> Response:
    return {"Versions": [_version(_find(ctx, request["PolicyArn"]))], "IsTruncated": False}


@operation("ListPolicies", "iam", depth="records")
def list_policies(ctx: Context, request: Request) -> Response:
    """The account's own; AWS's are attachable but not listed."""
    prefix, scope = request.get("PathPrefix", "/"), request.get("Scope", "All")
    counts = _attachments(ctx)
    records = every(ctx.need(Store), ctx.account, POLICY, where=lambda one: one.spec["Path"].startswith(prefix))
    wanted = (
        record
        for record in records
        if scope != "AWS" and (not request.get("OnlyAttached") or counts[arn_of(POLICY, record)])
    )
    found, more = listed(wanted, lambda record: record.name, f"Policies {prefix}", request)
    return {"Policies": [_brief(record, counts) for record in found]} | more


@operation("DeletePolicy", "iam", depth="records")
def delete_policy(ctx: Context, request: Request) -> None:
    record = _find(ctx, request["PolicyArn"])
    with ctx.need(Store).write():
        if _attachments(ctx)[arn_of(POLICY, record)]:
            raise AwsError("Cannot delete a policy attached to entities.", code="DeleteConflict", status=409)
        ctx.need(Store).delete(record)


def _find(ctx: Context, arn: str, missing: str = "Policy {arn} was not found.") -> Record:
    record = by_arn(ctx.need(Store), ctx.account, arn)
    if record is None or record.kind != POLICY.kind:
        raise no_such(missing.format(arn=arn))
    return record


def _attachments(ctx: Context) -> Counter[str]:
    """How many roles and users carry each policy."""
    store = ctx.need(Store)
    return Counter(
        arn
        for entity in (ROLE, USER)
        for record in every(store, ctx.account, entity)
        for arn in record.state["attached"]
    )


def _brief(record: Record, counts: Counter[str]) -> Response:
    return shown(POLICY, record) | {
        "DefaultVersionId": VERSION,
        "AttachmentCount": counts[arn_of(POLICY, record)],
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "UpdateDate": record.modified,
    }


def _full(ctx: Context, record: Record, counts: Counter[str]) -> Response:
    """With the description and tags, which lists leave out."""
    told = {"Description": record.spec["Description"]} if "Description" in record.spec else {}
    return _brief(record, counts) | told | {"Tags": tag_list(ctx.need(Store), record)}


def _version(record: Record) -> Response:
    return {"VersionId": VERSION, "IsDefaultVersion": True, "CreateDate": record.created}


def _foreign(arn: str) -> AwsError:
    return NotBuilt(f"{arn} is AWS's own policy: it can be attached here, its document is not known.")
