"""What the common verbs cannot say: a fleet is resolved when an endpoint is created or updated."""

from typing import Any

import msgspec

from clary.capabilities.endpoints import fleet, guardrails, rollout
from clary.capabilities.endpoints.asynchronous.api import announce
from clary.capabilities.endpoints.fleet import Fleet, Fleets, Variant
from clary.capabilities.endpoints.kind import ENDPOINT, ENDPOINT_CONFIG, HOLDING, model_kind
from clary.capabilities.endpoints.serverless import config as serverless
from clary.capabilities.endpoints.serverless.config import initial_count
from clary.resources.edit import Edit, edit
from clary.resources.records import Record
from clary.resources.refusals import refused
from clary.resources.verbs import create, find
from clary.wire.context import Context, Parts, Principal
from clary.wire.errors import ValidationException
from clary.wire.operations import operation

Request = dict[str, Any]

SCALING = "sagemaker.application-autoscaling.amazonaws.com"
SCALING_ROLE = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
"""AWS's service-linked role that changes capacities."""


def resolve(ctx: Context, config: str, generation: int) -> Fleet:
    """The fleet of a configuration, its models as they are now: both may be deleted while the endpoint runs.

    Raises the missing error of the configuration or of a model.
    """
    found = find(ctx, ENDPOINT_CONFIG, config)
    spec = found.spec
    variants = [_variant(ctx, spec, production) for production in spec["ProductionVariants"]]
    variants += [_variant(ctx, spec, shadow, shadow=True) for shadow in spec.get("ShadowProductionVariants", [])]
    return Fleet(
        config=found.name,
        generation=generation,
        variants=tuple(variants),
        capture=spec.get("DataCaptureConfig"),
        asynchronous=spec.get("AsyncInferenceConfig"),
    )


def _variant(ctx: Context, config: Request, production: Request, *, shadow: bool = False) -> Variant:
    named = production.get("ModelName")
    model = find(ctx, model_kind(ctx), named).spec if named else _host(config)
    isolated = config.get("EnableNetworkIsolation") or model.get("EnableNetworkIsolation", False)
    return Variant(
        name=production["VariantName"],
        weight=production["InitialVariantWeight"],
        count=initial_count(production),
        production=production,
        model={**model, "EnableNetworkIsolation": isolated},
        shadow=shadow,
    )


def _host(config: Request) -> Request:
    """In place of a model: what inference components on the variant's instances run with."""
    kept = ("ExecutionRoleArn", "VpcConfig")
    return {"Hosts": True, **{name: config[name] for name in kept if name in config}}


@operation("CreateEndpoint")
def create_endpoint(ctx: Context, request: Request) -> Request:
    """A DeploymentConfig is only kept, for updates that ask to reuse it."""
    deployed = request.get("DeploymentConfig")
    guardrails.check(ctx, deployed or {})
    wanted = resolve(ctx, request["EndpointConfigName"], 1)
    fleets = Fleets(next=wanted)
    record = create(ctx, ENDPOINT, request, **fleet.dump(fleets), **{fleet.DEPLOYED_KEY: deployed})
    announce(ctx, record, wanted)
    return {"EndpointArn": record.arn}


@operation("UpdateEndpoint")
def update_endpoint(ctx: Context, request: Request) -> Request:
    """The new fleet comes up beside the old one and takes its calls as the deployment says."""
    record = find(ctx, ENDPOINT, request)
    guardrails.check_update(ctx, request)
    wanted = resolve(ctx, request["EndpointConfigName"], 0)
    with edit(ctx, record) as change:
        fleets = _begin_update(change, "InService", "UpdateRollbackFailed")
        serving = _serving(fleets)
        asked = _deployment(request, change.record.state)
        generation = fleets.generation + 1
        upcoming = msgspec.structs.replace(_retained(wanted, serving, request), generation=generation)
        guardrails.check_fleets(asked, fleets, upcoming)
        changed = rollout.begin(fleets, upcoming, asked, change.now)
        _change(ctx, change, msgspec.structs.replace(changed, generation=generation))
        if asked:
            change.record.state[fleet.DEPLOYED_KEY] = asked
        announce(ctx, record, wanted)
    return {"EndpointArn": record.arn}


def _deployment(request: Request, state: Request) -> Request:
    """The DeploymentConfig of an update: its own, or the last one where it is to be reused."""
    reused = state.get(fleet.DEPLOYED_KEY) if request.get("RetainDeploymentConfig") else None
    return request.get("DeploymentConfig") or reused or {}


@operation("UpdateEndpointWeightsAndCapacities")
def update_weights_and_capacities(ctx: Context, request: Request) -> Request:
    """Weights count at once; instances are added or drained by the controller."""
    record = find(ctx, ENDPOINT, request)
    change_capacities(ctx, record, request)
    return {"EndpointArn": record.arn}


def resize(parts: Parts, account: str, region: str, endpoint: str, variant: str, count: int) -> None:
    """UpdateEndpointWeightsAndCapacities by the platform itself, for Application Auto Scaling.

    Raises ValidationException for an endpoint that is not there or not in service, ResourceLimitExceeded.
    """
    ctx = as_scaler(parts, account, region)
    desired = [{"VariantName": variant, "DesiredInstanceCount": count}]
    change_capacities(ctx, find(ctx, ENDPOINT, endpoint), {"DesiredWeightsAndCapacities": desired})


def set_provisioned(parts: Parts, account: str, region: str, endpoint: str, variant: str, count: int) -> None:
    """Likewise for the ProvisionedConcurrency of a serverless variant."""
    ctx = as_scaler(parts, account, region)
    desired = [{"VariantName": variant, "ServerlessUpdateConfig": {"ProvisionedConcurrency": count}}]
    change_capacities(ctx, find(ctx, ENDPOINT, endpoint), {"DesiredWeightsAndCapacities": desired})


def as_scaler(parts: Parts, account: str, region: str) -> Context:
    """For what the platform itself changes of an endpoint's capacity."""
    scaler = f"arn:aws:iam::{account}:role/aws-service-role/{SCALING}/{SCALING_ROLE}"
    principal = Principal(account, scaler, "", "")
    return Context(parts, "sagemaker", "UpdateEndpointWeightsAndCapacities", account, region, principal, "")


def change_capacities(ctx: Context, record: Record, request: Request) -> None:
    desired = {each["VariantName"]: each for each in request["DesiredWeightsAndCapacities"]}
    with edit(ctx, record) as change:
        fleets = _begin_update(change, "InService")
        serving = _serving(fleets)
        for name in desired.keys() - {variant.name for variant in serving.variants}:
            raise ValidationException(f'Could not find variant "{name}" of endpoint "{record.arn}".')
        variants = tuple(_resized(variant, desired.get(variant.name, {})) for variant in serving.variants)
        resized = msgspec.structs.replace(fleets, serving=msgspec.structs.replace(serving, variants=variants))
        _change(ctx, change, msgspec.structs.replace(resized, failure=""))


def _change(ctx: Context, change: Edit, fleets: Fleets) -> None:
    """Raises ResourceLimitExceeded for more instances than the quota has left."""
    before = HOLDING.held(change.record)
    change.record.state.update(fleet.dump(fleets))
    HOLDING.grown(ctx, change.record, before)


def _begin_update(change: Edit, *allowed: str) -> Fleets:
    """Only an endpoint of these statuses can be updated, which one that is being updated has not."""
    if change.record.status not in allowed:
        raise refused(ENDPOINT, change.record, "Updating")
    change.become("Updating")
    return fleet.load(change.record.state)


def _serving(fleets: Fleets) -> Fleet:
    if fleets.serving is None:
        raise ValidationException("The endpoint has no variant in service.")
    return fleets.serving


def _resized(variant: Variant, desired: Request) -> Variant:
    if update := desired.get("ServerlessUpdateConfig"):
        variant = msgspec.structs.replace(variant, production=serverless.updated(variant.production, update))
    if serverless.of(variant.production) and "DesiredInstanceCount" in desired:
        raise ValidationException("DesiredInstanceCount cannot be specified for a serverless variant.")
    return msgspec.structs.replace(
        variant,
        weight=desired.get("DesiredWeight", variant.weight),
        count=desired.get("DesiredInstanceCount", variant.count),
        before=(variant.count, variant.weight),
    )


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
