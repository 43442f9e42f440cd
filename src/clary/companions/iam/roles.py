"""Roles: their operations, and what other parts ask of a role."""

from typing import Any

from clary.companions.iam import documents
from clary.companions.iam.entities import (
    ROLE,
    arn_of,
    by_arn,
    change,
    create,
    encoded,
    find,
    shown,
    tag_list,
)
from clary.resources.records import Record
from clary.resources.store import Store
from clary.wire.context import Context
from clary.wire.errors import AccessDenied, AwsError, ValidationException
from clary.wire.operations import Request, Response, operation

SESSION_SECONDS = 3600


def role_id(store: Store, account: str, name: str) -> str:
    """The unique id (AROA...) behind a role's name. Raises NoSuchEntity."""
    return str(find(store, account, ROLE, name).state["id"])


def role_of(store: Store, account: str, arn: str) -> Record | None:
    """The account's role of this ARN."""
    record = by_arn(store, account, arn)
    return record if record and record.kind == ROLE.kind else None


def check_pass_role(ctx: Context, role_arn: str) -> Record:
    """The role that a job or endpoint is to run as, if SageMaker may assume it.

    Raises ValidationException, or AccessDeniedException for a role of another account, both as AWS words them.
    """
    if role_arn.split(":")[4:5] != [ctx.account]:
        raise AccessDenied("Cross-account pass role is not allowed.")
    role = role_of(ctx.need(Store), ctx.account, role_arn)
    trusted = role and documents.trusts(
        role.spec["AssumeRolePolicyDocument"], "sts:AssumeRole", "Service", frozenset({documents.SAGEMAKER})
    )
    if role is None or not trusted:
        raise ValidationException(
            f"Could not assume role {role_arn}. Please ensure that the role exists and allows principal "
            f"'{documents.SAGEMAKER}' to assume the role."
        )
    return role


@operation("CreateRole", "iam")
def create_role(ctx: Context, request: Request) -> Response:
    documents.statements(request["AssumeRolePolicyDocument"], trust=True)
    store = ctx.need(Store)
    return {"Role": _full(store, create(store, ctx.account, ROLE, request))}


@operation("GetRole", "iam", quick=True)
def get_role(ctx: Context, request: Request) -> Response:
    store = ctx.need(Store)
    return {"Role": _full(store, find(store, ctx.account, ROLE, request["RoleName"]))}


@operation("UpdateRole", "iam")
def update_role(ctx: Context, request: Request) -> Response:
    changed = {key: request[key] for key in ("Description", "MaxSessionDuration") if key in request}
    _edit(ctx, request, lambda role: role.spec.update(changed))
    return {}


@operation("UpdateRoleDescription", "iam")
def update_role_description(ctx: Context, request: Request) -> Response:
    role = _edit(ctx, request, lambda role: role.spec.update(Description=request["Description"]))
    return {"Role": _full(ctx.need(Store), role)}


@operation("UpdateAssumeRolePolicy", "iam")
def update_assume_role_policy(ctx: Context, request: Request) -> None:
    document = request["PolicyDocument"]
    documents.statements(document, trust=True)
    _edit(ctx, request, lambda role: role.spec.update(AssumeRolePolicyDocument=document))


def brief(role: Record) -> Response:
    """A role as lists show it."""
    return shown(ROLE, role) | {
        "AssumeRolePolicyDocument": encoded(role.spec["AssumeRolePolicyDocument"]),
        "MaxSessionDuration": role.spec.get("MaxSessionDuration", SESSION_SECONDS),
        **({"Description": role.spec["Description"]} if "Description" in role.spec else {}),
    }


def _full(store: Store, role: Record) -> Response:
    tags = tag_list(store, role)
    boundary = role.spec.get("PermissionsBoundary")
    return (
        brief(role)
        | ({"Tags": tags} if tags else {})
        | (
            {"PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": boundary}}
            if boundary
            else {}
        )
    )


def _edit(ctx: Context, request: Request, edit: Any) -> Record:
    store = ctx.need(Store)
    return change(store, find(store, ctx.account, ROLE, request["RoleName"]), edit)


def check_may_assume(ctx: Context, role_arn: str) -> Record:
    """The role behind an AssumeRole, of any account, if its trust policy names the caller. Raises AccessDenied."""
    account = (role_arn.split(":") + [""] * 5)[4]
    role = role_of(ctx.need(Store), account, role_arn)
    caller = ctx.principal
    names = frozenset({ctx.account, f"arn:aws:iam::{ctx.account}:root", caller.arn})
    if ":assumed-role/" in caller.arn:
        name = caller.arn.split("/")[1]
        mine = ctx.need(Store).get(ROLE.kind, ctx.account, "aws-global", name)
        names |= {arn_of(ROLE, mine)} if mine else set()
    if role is None or not documents.trusts(role.spec["AssumeRolePolicyDocument"], "sts:AssumeRole", "AWS", names):
        raise AwsError(
            f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {role_arn}",
            code="AccessDenied",
            status=403,
        )
    return role
