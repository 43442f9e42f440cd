"""What AWS accepts as a DeploymentConfig (https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html).

Sizes of batches are parts of a variant's instances, so they are checked against the fleet that an update brings up.
AWS publishes the rules and not the words of its refusals; the words are ours.
"""

from typing import Any, NamedTuple

from clary.capabilities.endpoints import traffic
from clary.capabilities.endpoints.alarms import absent
from clary.capabilities.endpoints.deployment import Size, policy
from clary.capabilities.endpoints.fleet import Fleet, Fleets
from clary.resources.store import Store
from clary.wire.context import Context
from clary.wire.errors import ValidationException

Asked = dict[str, Any]


class _Bounds(NamedTuple):
    """In percent of a variant's instances."""

    least: int
    most: int


SIZES = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}
BOUNDS = {
    "CanarySize": _Bounds(1, 50),
    "LinearStepSize": _Bounds(10, 50),
    "MaximumBatchSize": _Bounds(5, 50),
    "RollbackMaximumBatchSize": _Bounds(1, 100),
}


def check(ctx: Context, asked: Asked) -> None:
    """What can be said before a fleet is known. Raises ValidationException."""
    if asked.get("BlueGreenUpdatePolicy") and asked.get("RollingUpdatePolicy"):
        raise ValidationException("Only one of BlueGreenUpdatePolicy and RollingUpdatePolicy can be specified.")
    _check_routing(asked.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {}))
    for name, size in _sizes(asked):
        bounds = BOUNDS[name]
        if size["Type"] == "CAPACITY_PERCENT" and not bounds.least <= size["Value"] <= bounds.most:
            raise _outside(name, bounds)
    _check_alarms(ctx, asked)


def check_update(ctx: Context, request: Asked) -> None:
    """Raises ValidationException."""
    if request.get("RetainDeploymentConfig") and request.get("DeploymentConfig"):
        raise ValidationException("DeploymentConfig cannot be specified when RetainDeploymentConfig is true.")
    check(ctx, request.get("DeploymentConfig", {}))


def check_fleets(asked: Asked, fleets: Fleets, upcoming: Fleet) -> None:
    """Whether an update of these fleets can go so. Raises ValidationException."""
    chosen = policy(asked)
    if chosen.timeout is not None and chosen.timeout <= chosen.total_wait(traffic.counts(upcoming)):
        raise ValidationException(
            "MaximumExecutionTimeoutInSeconds must be larger than the total of WaitIntervalInSeconds and "
            "TerminationWaitInSeconds over all steps of the deployment."
        )
    if chosen.way == "ALL_AT_ONCE":
        return
    serving = fleets.serving.production if fleets.serving else ()
    if {each.name for each in serving} != {each.name for each in upcoming.production}:
        raise ValidationException(
            f"A deployment of type {chosen.way} needs an endpoint configuration with the same variant names as the "
            "endpoint has."
        )
    if chosen.rolling and fleets.stranded:
        raise ValidationException(
            "An endpoint with status UpdateRollbackFailed serves two configurations and can only be updated by a "
            "blue/green deployment."
        )
    if chosen.rolling and len(upcoming.production) > 1:
        raise ValidationException("Rolling updates are not supported for endpoints with several variants.")
    if chosen.rolling and any("ServerlessConfig" in each.production for each in upcoming.variants):
        raise ValidationException("Rolling updates are not supported for serverless endpoints.")
    for name, size in _sizes(asked):
        for count in traffic.counts(upcoming):
            _check_count(name, size, count)


def _check_routing(routing: Asked) -> None:
    way = routing.get("Type", "ALL_AT_ONCE")
    needed = SIZES.get(way)
    if needed and needed not in routing:
        raise ValidationException(f"{needed} is required for traffic routing of type {way}.")
    for name in SIZES.values():
        if name in routing and name != needed:
            raise ValidationException(f"{name} cannot be specified for traffic routing of type {way}.")


def _check_count(name: str, size: Size, count: int) -> None:
    bounds = BOUNDS[name]
    if size["Type"] != "INSTANCE_COUNT" or not count:
        return
    if not bounds.least * count <= 100 * size["Value"] <= bounds.most * count:
        raise _outside(name, bounds, f" ({size['Value']} of {count} instances)")


def _check_alarms(ctx: Context, asked: Asked) -> None:
    named = asked.get("AutoRollbackConfiguration", {}).get("Alarms", [])
    if any("AlarmName" not in each for each in named):
        raise ValidationException("Every alarm of AutoRollbackConfiguration needs an AlarmName.")
    names = tuple(each["AlarmName"] for each in named)
    if names and (missing := absent(ctx.need(Store), ctx.account, ctx.region, names)):
        raise ValidationException(f"Could not find the CloudWatch alarms of AutoRollbackConfiguration: {missing}.")


def _sizes(asked: Asked) -> list[tuple[str, Size]]:
    routing = asked.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {})
    found = {**routing, **asked.get("RollingUpdatePolicy", {})}
    return [(name, found[name]) for name in BOUNDS if name in found]


def _outside(name: str, bounds: _Bounds, given: str = "") -> ValidationException:
    return ValidationException(
        f"{name} must be between {bounds.least}% and {bounds.most}% of the variant's total instance count{given}."
    )
