"""Scalable targets: what may be scaled, and between which bounds."""

import secrets
from typing import Any

from clary.companions.application_autoscaling import policies, scheduled
from clary.companions.application_autoscaling.bounds import check_bounds, enforce
from clary.companions.application_autoscaling.kinds import (
    POLICY,
    SCHEDULED_ACTION,
    SCOPE,
    SERVICE,
    TARGET,
    children,
    every,
    find_target,
    page_of,
    target_name,
)
from clary.companions.application_autoscaling.scalable import Place, Scalable, Scalables
from clary.resources.edit import edit
from clary.resources.making import add, new
from clary.resources.records import Record
from clary.resources.store import Store
from clary.wire.context import Context
from clary.wire.errors import AwsError, NotBuilt, ValidationException
from clary.wire.operations import Request, Response, operation

SWITCHES = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")
MOST_TAGS = 50


@operation("RegisterScalableTarget", SERVICE)
def register_scalable_target(ctx: Context, request: Request) -> Response:
    """A known target is changed, and its capacity brought within its bounds."""
    scalable = _scalable(ctx, request)
    place = Place(ctx.account, ctx.region, request["ResourceId"])
    scalable.look(ctx.parts, place)
    lowest = scalable.least(ctx.parts, place)
    tags = request.get("Tags", {})
    _check_tags(tags)
    store, name = ctx.need(Store), target_name(request)
    with store.write(f"target {ctx.account} {ctx.region} {name}"):
        known = store.get(TARGET.noun, ctx.account, ctx.region, name)
        if known is None:
            arn = f"arn:aws:{SERVICE}:{ctx.region}:{ctx.account}:scalable-target/{secrets.token_hex(18)}"
            state, spec = {"ScalableTargetARN": arn}, _spec(ctx, lowest, {}, request)
            known = new(TARGET, ctx, name, store.now(), arn=arn, spec=spec, state=state)
            add(ctx, known, tags)
        else:
            with edit(ctx, known) as change:
                change.record.spec = _spec(ctx, lowest, known.spec, request)
                enforce(change, _bounds(change.record.spec))
    return {"ScalableTargetARN": known.state["ScalableTargetARN"]}


def _bounds(spec: dict[str, Any]) -> str:
    return f"minimum capacity was set to {spec['MinCapacity']} and maximum capacity was set to {spec['MaxCapacity']}"


def _scalable(ctx: Context, request: Request) -> Scalable:
    if request["ServiceNamespace"] != "sagemaker":
        raise NotBuilt(f"Scalable targets of {request['ServiceNamespace']} do not exist here; those of sagemaker do.")
    found = ctx.need(Scalables).find(request["ScalableDimension"])
    if found is None and request["ScalableDimension"].startswith("sagemaker:"):
        raise NotBuilt(f"The scalable dimension {request['ScalableDimension']} is not supported yet.")
    if found is None or found.dimensions(request["ResourceId"]) is None:
        raise ValidationException("Unsupported service namespace, resource type or scalable dimension")
    return found


def _spec(ctx: Context, lowest: int, before: dict[str, Any], request: Request) -> dict[str, Any]:
    """What a request leaves of a target. Raises ValidationException."""
    kept = {name: request[name] for name in ("MinCapacity", "MaxCapacity") if name in request}
    suspended = dict.fromkeys(SWITCHES, False) | before.get("SuspendedState", {}) | request.get("SuspendedState", {})
    spec = before | {name: request[name] for name in SCOPE} | kept | {"SuspendedState": suspended}
    # AWS ignores the RoleARN of a request for SageMaker, which has a service-linked role.
    spec["RoleARN"] = (
        f"arn:aws:iam::{ctx.account}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
        "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
    )
    if missing := [name for name in ("MinCapacity", "MaxCapacity") if name not in spec]:
        raise ValidationException(f"{' and '.join(missing)} must be specified to register a new scalable target.")
    check_bounds(spec, lowest)
    return spec


@operation("DeregisterScalableTarget", SERVICE)
def deregister_scalable_target(ctx: Context, request: Request) -> None:
    """With its policies, their alarms, and its scheduled actions. What was scaled stays as it is."""
    store = ctx.need(Store)
    target = find_target(ctx, request)
    with store.write():
        for policy in children(store, POLICY, target):
            policies.drop(ctx, policy)
        for action in children(store, SCHEDULED_ACTION, target):
            scheduled.drop(store, action)
        fresh = store.locked(target.id)
        if fresh is not None:
            store.delete(fresh)


@operation("DescribeScalableTargets", SERVICE)
def describe_scalable_targets(ctx: Context, request: Request) -> Response:
    wanted, dimension = request.get("ResourceIds"), request.get("ScalableDimension")
    found = (
        record
        for record in every(ctx.need(Store), TARGET, ctx.account, ctx.region)
        if record.spec["ServiceNamespace"] == request["ServiceNamespace"]
        and (not wanted or record.spec["ResourceId"] in wanted)
        and dimension in (None, record.spec["ScalableDimension"])
    )
    page, more = page_of(ctx, request, "targets", found)
    return {"ScalableTargets": [_shown(record) for record in page]} | more


def _shown(record: Record) -> Response:
    return record.spec | {
        "CreationTime": record.created,
        "ScalableTargetARN": record.state["ScalableTargetARN"],
    }


@operation("ListTagsForResource", SERVICE)
def list_tags(ctx: Context, request: Request) -> Response:
    return {"Tags": ctx.need(Store).tags(_tagged(ctx, request).id)}


@operation("TagResource", SERVICE)
def tag(ctx: Context, request: Request) -> Response:
    store, record = ctx.need(Store), _tagged(ctx, request)
    with store.write(record.id):
        _check_tags(store.tags(record.id) | request["Tags"])
        store.set_tags(record.id, request["Tags"])
    return {}


@operation("UntagResource", SERVICE)
def untag(ctx: Context, request: Request) -> Response:
    ctx.need(Store).drop_tags(_tagged(ctx, request).id, request["TagKeys"])
    return {}


def _check_tags(tags: dict[str, str]) -> None:
    if any(key.lower().startswith("aws:") for key in tags):
        raise ValidationException("aws: prefixed tag key names are not allowed for external use.")
    if len(tags) > MOST_TAGS:
        raise AwsError("The number of tags exceeds the limit of 50.", code="TooManyTagsException", status=400)


def _tagged(ctx: Context, request: Request) -> Record:
    record = ctx.need(Store).by_arn(request["ResourceARN"])
    mine = record and (record.account, record.region, record.kind) == (ctx.account, ctx.region, TARGET.noun)
    if record is None or not mine:
        message = f"The specified resource {request['ResourceARN']} doesn't exist."
        raise AwsError(message, code="ResourceNotFoundException", status=400)
    return record
