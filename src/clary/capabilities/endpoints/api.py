"""What the common verbs cannot say: a fleet is resolved when an endpoint is created or updated."""

from typing import Any

import msgspec

from clary.capabilities.endpoints import fleet
from clary.capabilities.endpoints.fleet import Fleet, Fleets, Variant
from clary.capabilities.endpoints.kind import ENDPOINT, ENDPOINT_CONFIG, HOLDING, model_kind
from clary.resources.edit import Edit, edit
from clary.resources.refusals import refused
from clary.resources.verbs import create, find
from clary.wire.context import Context
from clary.wire.errors import NotBuilt, ValidationException
from clary.wire.operations import operation

Request = dict[str, Any]


def resolve(ctx: Context, config: str, generation: int) -> Fleet:
    """The fleet of a configuration, its models as they are now: both may be deleted while the endpoint runs.

    Raises the missing error of the configuration or of a model.
    """
    found = find(ctx, ENDPOINT_CONFIG, config)
    spec = found.spec
    variants = [_variant(ctx, spec, production) for production in spec["ProductionVariants"]]
    variants += [_variant(ctx, spec, shadow, shadow=True) for shadow in spec.get("ShadowProductionVariants", [])]
    return Fleet(
        config=found.name, generation=generation, variants=tuple(variants), capture=spec.get("DataCaptureConfig")
    )


def _variant(ctx: Context, config: Request, production: Request, *, shadow: bool = False) -> Variant:
    model = find(ctx, model_kind(ctx), production["ModelName"]).spec
    isolated = config.get("EnableNetworkIsolation") or model.get("EnableNetworkIsolation", False)
    return Variant(
        name=production["VariantName"],
        weight=production["InitialVariantWeight"],
        count=production["InitialInstanceCount"],
        production=production,
        model={**model, "EnableNetworkIsolation": isolated},
        shadow=shadow,
    )


@operation("CreateEndpoint")
def create_endpoint(ctx: Context, request: Request) -> Request:
    _refuse_deployment(request)
    fleets = Fleets(next=resolve(ctx, request["EndpointConfigName"], 1))
    record = create(ctx, ENDPOINT, request, **fleet.dump(fleets))
    return {"EndpointArn": record.arn}


@operation("UpdateEndpoint")
def update_endpoint(ctx: Context, request: Request) -> Request:
    """The new fleet comes up beside the old one, which serves until the new one can."""
    _refuse_deployment(request)
    record = find(ctx, ENDPOINT, request)
    wanted = resolve(ctx, request["EndpointConfigName"], 0)
    with edit(ctx, record) as change:
        fleets = _begin_update(change)
        serving = _serving(fleets)
        generation = fleets.generation + 1
        upcoming = msgspec.structs.replace(_retained(wanted, serving, request), generation=generation)
        changed = msgspec.structs.replace(fleets, next=upcoming, generation=generation, failure="")
        _change(ctx, change, changed)
    return {"EndpointArn": record.arn}


@operation("UpdateEndpointWeightsAndCapacities")
def update_weights_and_capacities(ctx: Context, request: Request) -> Request:
    """Weights count at once; instances are added or drained by the controller."""
    record = find(ctx, ENDPOINT, request)
    desired = {each["VariantName"]: each for each in request["DesiredWeightsAndCapacities"]}
    with edit(ctx, record) as change:
        fleets = _begin_update(change)
        serving = _serving(fleets)
        for name in desired.keys() - {variant.name for variant in serving.variants}:
            raise ValidationException(f'Could not find variant "{name}" of endpoint "{record.arn}".')
        variants = tuple(_resized(variant, desired.get(variant.name, {})) for variant in serving.variants)
        resized = msgspec.structs.replace(fleets, serving=msgspec.structs.replace(serving, variants=variants))
        _change(ctx, change, msgspec.structs.replace(resized, failure=""))
    return {"EndpointArn": record.arn}


def _change(ctx: Context, change: Edit, fleets: Fleets) -> None:
    """Raises ResourceLimitExceeded for more instances than the quota has left."""
    before = HOLDING.held(change.record)
    change.record.state.update(fleet.dump(fleets))
    HOLDING.grown(ctx, change.record, before)


def _begin_update(change: Edit) -> Fleets:
    """Only an endpoint in service can be updated, which one that is being updated is not."""
    if change.record.status != "InService":
        raise refused(ENDPOINT, change.record, "Updating")
    change.become("Updating")
    return fleet.load(change.record.state)


def _serving(fleets: Fleets) -> Fleet:
    if fleets.serving is None:
        raise ValidationException("The endpoint has no variant in service.")
    return fleets.serving


def _resized(variant: Variant, desired: Request) -> Variant:
    if desired.get("ServerlessUpdateConfig"):
        raise NotBuilt("Serverless variants (ServerlessUpdateConfig) are not supported yet.")
    weight = desired.get("DesiredWeight", variant.weight)
    return msgspec.structs.replace(variant, weight=weight, count=desired.get("DesiredInstanceCount", variant.count))


def _retained(wanted: Fleet, serving: Fleet, request: Request) -> Fleet:
    """RetainAllVariantProperties: weights and counts of variants of the same name stay as they were set since."""
    if not request.get("RetainAllVariantProperties"):
        return wanted
    dropped = {each["VariantPropertyType"] for each in request.get("ExcludeRetainedVariantProperties", [])}
    before = {variant.name: variant for variant in serving.variants}
    variants = tuple(_retain(variant, before.get(variant.name, variant), dropped) for variant in wanted.variants)
    return msgspec.structs.replace(wanted, variants=variants)


def _retain(variant: Variant, before: Variant, dropped: set[str]) -> Variant:
    return msgspec.structs.replace(
        variant,
        weight=variant.weight if "DesiredWeight" in dropped else before.weight,
        count=variant.count if "DesiredInstanceCount" in dropped else before.count,
    )


def _refuse_deployment(request: Request) -> None:
    """All at once, the old fleet kept until the new one is healthy, is the only way built."""
    if request.get("RetainDeploymentConfig"):
        raise NotBuilt("RetainDeploymentConfig is not supported yet.")
    config = request.get("DeploymentConfig", {})
    if config.get("RollingUpdatePolicy"):
        raise NotBuilt("Rolling updates (RollingUpdatePolicy) are not supported yet.")
    if config.get("AutoRollbackConfiguration"):
        raise NotBuilt("Rollback on alarms (AutoRollbackConfiguration) is not supported yet.")
    routing = config.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {})
    if routing.get("Type", "ALL_AT_ONCE") != "ALL_AT_ONCE":
        raise NotBuilt(f"Traffic shifting of type {routing['Type']} is not supported yet.")
