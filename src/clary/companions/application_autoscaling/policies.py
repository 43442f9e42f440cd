"""Scaling policies, and the alarms of those that track a target."""

import uuid
from typing import Any

from clary.companions.application_autoscaling import steps, tracking
from clary.companions.application_autoscaling.kinds import (
    POLICY,
    SCOPE,
    SERVICE,
    arn,
    every,
    find_target,
    member_name,
    missing,
    page_of,
    target_name,
)
from clary.companions.application_autoscaling.scalable import Scalables
from clary.companions.cloudwatch import alarms
from clary.resources.edit import edit
from clary.resources.making import add, new
from clary.resources.records import Record
from clary.resources.store import Store
from clary.settings import Settings
from clary.wire.context import Context
from clary.wire.errors import AwsError, ValidationException
from clary.wire.operations import Request, Response, operation

STEP, TRACKING = "StepScaling", "TargetTrackingScaling"
CONFIG = {STEP: "StepScalingPolicyConfiguration", TRACKING: "TargetTrackingScalingPolicyConfiguration"}
ALARMS = "Alarms"
"""State: names of a tracking policy's own alarms, the one for more first."""


@operation("PutScalingPolicy", SERVICE)
def put_scaling_policy(ctx: Context, request: Request) -> Response:
    """Raises ObjectNotFoundException without a target."""
    tracking.refuse_predictive(request.get("PolicyType", STEP))
    store, name = ctx.need(Store), member_name(request, request["PolicyName"])
    target = find_target(ctx, request)
    with store.write(f"policy {ctx.account} {ctx.region} {name}"):
        known = store.get(POLICY.noun, ctx.account, ctx.region, name, target.name)
        spec = _spec(request, known)
        pair = _alarm_pair(ctx, spec)
        record = known or _made(ctx, name, target, spec)
        names = _put_alarms(ctx, record, spec, pair)
        with edit(ctx, record) as change:
            change.record.spec = spec
            change.record.state[ALARMS] = names
            change.due_now()
    return {"PolicyARN": record.state["PolicyARN"], "Alarms": _named(ctx, change.record)}


def _spec(request: Request, known: Record | None) -> dict[str, Any]:
    """A policy keeps its type for ever. Raises ValidationException."""
    kind = request.get("PolicyType", known.spec["PolicyType"] if known else STEP)
    if known and kind != known.spec["PolicyType"]:
        raise ValidationException("The policy type of a scaling policy cannot be changed.")
    other = CONFIG[TRACKING if kind == STEP else STEP]
    if other in request:
        raise ValidationException(f"{other} cannot be used with the policy type {kind}.")
    if CONFIG[kind] not in request:
        raise ValidationException(f"{CONFIG[kind]} must be specified for the policy type {kind}.")
    (steps if kind == STEP else tracking).check(request[CONFIG[kind]])
    return {name: request[name] for name in (*SCOPE, "PolicyName", CONFIG[kind])} | {"PolicyType": kind}


def _alarm_pair(ctx: Context, spec: dict[str, Any]) -> list[dict[str, Any]]:
    """None for a step policy, whose alarms are its user's. Raises ValidationException for what no alarm could watch."""
    config = spec.get(CONFIG[TRACKING])
    if config is None:
        return []
    scalable = ctx.need(Scalables).find(spec["ScalableDimension"])
    dimensions = scalable.dimensions(spec["ResourceId"]) if scalable else None
    metric, period = tracking.watched(spec, config, dimensions or {})
    try:
        for each in tracking.alarm_pair(config, metric, period, tracking.MINUTE):
            if each:
                alarms.check(ctx, each)
    except AwsError as error:
        raise ValidationException(error.message) from error
    minute = ctx.need(Settings).scaling_period_seconds
    return [each for each in tracking.alarm_pair(config, metric, period, minute) if each]


def _put_alarms(ctx: Context, policy: Record, spec: dict[str, Any], pair: list[dict[str, Any]]) -> list[str]:
    """Those of a known policy keep their names."""
    known: list[str] = policy.state.get(ALARMS, [])
    names = []
    for place, each in enumerate(pair):
        side = "AlarmLow" if place else "AlarmHigh"
        fresh = f"TargetTracking-{spec['ResourceId']}-{side}-{uuid.uuid4()}"
        name = known[place] if place < len(known) else fresh
        made = {
            "AlarmName": name,
            "AlarmDescription": f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy.state['PolicyARN']}.",
            "AlarmActions": [policy.state["PolicyARN"]],
        }
        alarms.put(ctx, each | made, {})
        names.append(name)
    _drop_alarms(ctx, policy, known[len(pair) :])
    return names


def _drop_alarms(ctx: Context, policy: Record, names: list[str]) -> None:
    """Somebody may have deleted one."""
    there = alarms.states(ctx.need(Store), policy.account, policy.region, names)
    alarms.delete(ctx, list(there))


def _made(ctx: Context, name: str, target: Record, spec: dict[str, Any]) -> Record:
    shown = arn(ctx, "scalingPolicy policyName", str(uuid.uuid4()), spec, spec["PolicyName"])
    named = {"parent": target.name, "arn": shown.lower(), "state": {"PolicyARN": shown}}
    record = new(POLICY, ctx, name, ctx.need(Store).now(), spec=spec, **named)
    add(ctx, record)
    return record


@operation("DeleteScalingPolicy", SERVICE)
def delete_scaling_policy(ctx: Context, request: Request) -> Response:
    """With the alarms that were made for it."""
    store = ctx.need(Store)
    name = member_name(request, request["PolicyName"])
    record = store.get(POLICY.noun, ctx.account, ctx.region, name, target_name(request))
    if record is None:
        raise missing("scaling policy found", request, f"policy name: {request['PolicyName']}")
    with store.write():
        drop(ctx, record)
    return {}


def drop(ctx: Context, policy: Record) -> None:
    store = ctx.need(Store)
    _drop_alarms(ctx, policy, policy.state.get(ALARMS, []))
    fresh = store.locked(policy.id)
    if fresh is not None:
        store.delete(fresh)


@operation("DescribeScalingPolicies", SERVICE)
def describe_scaling_policies(ctx: Context, request: Request) -> Response:
    names = request.get("PolicyNames")
    wanted = {name: request[name] for name in SCOPE if name in request}
    found = (
        record
        for record in every(ctx.need(Store), POLICY, ctx.account, ctx.region)
        if all(record.spec[name] == value for name, value in wanted.items())
        and (not names or record.spec["PolicyName"] in names)
    )
    page, more = page_of(ctx, request, "policies", found)
    return {"ScalingPolicies": [_shown(ctx, record) for record in page]} | more


def _shown(ctx: Context, record: Record) -> Response:
    return record.spec | {
        "PolicyARN": record.state["PolicyARN"],
        "Alarms": _named(ctx, record),
        "CreationTime": record.created,
    }


def _named(ctx: Context, policy: Record) -> list[dict[str, str]]:
    """A step policy's are those that name it."""
    names: list[str] = policy.state.get(ALARMS, [])
    if policy.spec["PolicyType"] == STEP:
        found = alarms.naming(ctx.need(Store), policy.account, policy.region, policy.state["PolicyARN"])
        names = [alarm.name for alarm in found]
    return [{"AlarmName": name, "AlarmARN": alarms.arn(policy.account, policy.region, name)} for name in names]
