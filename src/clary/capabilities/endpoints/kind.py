"""EndpointConfig and Endpoint as data: their checks at creation, and the members of Describe that are computed."""

from collections.abc import Iterator
from typing import Any

from clary.capabilities.endpoints import fleet, rollout, summaries
from clary.capabilities.endpoints.asynchronous.config import check as check_asynchronous
from clary.capabilities.endpoints.components import managed
from clary.capabilities.endpoints.serverless import config as serverless
from clary.capabilities.instances.quota import Held, Holding
from clary.companions.iam.roles import check_pass_role
from clary.resources.kinds import Kind, Kinds
from clary.resources.machine import Machine
from clary.resources.records import Record
from clary.resources.verbs import find
from clary.wire.context import Context
from clary.wire.errors import NotBuilt, ValidationException

Request = dict[str, Any]

UNBUILT = {
    "ExplainerConfig": "Online explanations (ExplainerConfig)",
    "CrossRegionTrafficConfig": "CrossRegionTrafficConfig",
}
UNBUILT_VARIANT = {
    "InstancePools": "InstancePools",
    "CapacityReservationConfig": "CapacityReservationConfig",
    "CoreDumpConfig": "Core dumps (CoreDumpConfig)",
}
"""What this version refuses by name rather than ignores."""


def admit_config(ctx: Context, request: Request) -> Request:
    """The variants name models that exist, each variant once; features not built are refused."""
    _refuse(request, UNBUILT)
    check_asynchronous(request, lambda name: find(ctx, model_kind(ctx), name).spec)
    serverless.check(request)
    if role := request.get("ExecutionRoleArn"):
        check_pass_role(ctx, role)
    variants = [_admit_variant(ctx, variant, role) for variant in request["ProductionVariants"]]
    shadows = [_admit_variant(ctx, variant, None) for variant in request.get("ShadowProductionVariants", [])]
    if len({"ModelName" in variant for variant in variants}) > 1:
        raise ValidationException("Either all production variants have a ModelName, or none has.")
    if shadows and len(variants) + len(shadows) != 2:
        raise ValidationException(
            "An endpoint configuration with ShadowProductionVariants must have exactly one production variant and one "
            "shadow variant."
        )
    names = [variant["VariantName"] for variant in (*variants, *shadows)]
    if len(set(names)) < len(names):
        raise ValidationException("Production variant names must be unique in an endpoint configuration.")
    return {**request, "ProductionVariants": variants} | ({"ShadowProductionVariants": shadows} if shadows else {})


def _admit_host(variant: Request, role: str | None) -> Request:
    """A variant for inference components, which run with the role of the configuration."""
    if not role:
        raise ValidationException(
            "ExecutionRoleArn is required for an endpoint configuration with a variant that has no ModelName."
        )
    if "InstanceType" not in variant:
        raise ValidationException(f"Production variant {variant['VariantName']} needs a ModelName or an InstanceType.")
    return {"InitialInstanceCount": 1, "InitialVariantWeight": 1.0, **variant}


def _admit_variant(ctx: Context, variant: Request, role: str | None) -> Request:
    _refuse(variant, UNBUILT_VARIANT)
    managed.check(variant)
    _check_routing(variant.get("RoutingConfig", {}))
    if not variant.get("ModelName"):
        return _admit_host(variant, role)
    serverless.check_variant(variant, find(ctx, model_kind(ctx), variant["ModelName"]).spec)
    if serverless.of(variant):
        return {"InitialVariantWeight": 1.0, **variant}
    if "InstanceType" not in variant:
        raise ValidationException(f"Production variant {variant['VariantName']} needs an InstanceType.")
    return {"InitialInstanceCount": 1, "InitialVariantWeight": 1.0, **variant}


def _check_routing(routing: Request) -> None:
    """Prefix-aware routing needs its two numbers."""
    strategy, aware = routing.get("RoutingStrategy"), routing.get("PrefixAwareRoutingConfig")
    if strategy == "KV_AWARE":
        raise NotBuilt(
            "RoutingStrategy KV_AWARE is not supported yet. PREFIX_AWARE has calls that begin alike go to one instance."
        )
    if strategy == "PREFIX_AWARE" and len(aware or {}) != 2:
        raise ValidationException(
            "PrefixAwareRoutingConfig with PrefixLength and ConcurrencyThreshold is required for PREFIX_AWARE routing."
        )
    if strategy != "PREFIX_AWARE" and aware:
        raise ValidationException("PrefixAwareRoutingConfig can only be used with PREFIX_AWARE routing.")


def _refuse(request: Request, unbuilt: dict[str, str]) -> None:
    for member, feature in unbuilt.items():
        if request.get(member):
            raise NotBuilt(
                f"{feature} are not supported yet." if "(" in feature else f"{feature} is not supported yet."
            )


def model_kind(ctx: Context) -> Kind:
    """The Model kind, which is another capability's: reached as part of the assembly, not by import."""
    kind = ctx.need(Kinds).find("Model")
    if kind is None:
        raise LookupError("endpoints need the models capability")
    return kind


def held(record: Record) -> Iterator[Held]:
    """The instances of all variants: during an update the most that both fleets have together."""
    fleets = fleet.load(record.state)
    for instance_type, count in rollout.most(fleets):
        yield "hosting", instance_type, count


HOLDING = Holding(("Creating", "Updating", "RollingBack", "InService", "UpdateRollbackFailed"), held)


ENDPOINT_CONFIG = Kind(
    noun="EndpointConfig",
    arn="endpoint-config/{EndpointConfigName}",
    admit=admit_config,
    missing=("ValidationException", 'Could not find endpoint configuration "{arn}".'),
    exists=("ValidationException", 'Cannot create already existing endpoint configuration "{arn}".'),
)

ENDPOINT = Kind(
    noun="Endpoint",
    arn="endpoint/{EndpointName}",
    machine=Machine(
        start="Creating",
        edges={
            "Creating": frozenset({"InService", "Failed"}),
            "InService": frozenset({"Updating", "Deleting"}),
            "Updating": frozenset({"InService", "Failed", "RollingBack", "UpdateRollbackFailed"}),
            "RollingBack": frozenset({"InService", "UpdateRollbackFailed"}),
            "UpdateRollbackFailed": frozenset({"Updating", "Deleting"}),
            "Failed": frozenset({"Deleting"}),
            "Deleting": frozenset({"Deleting"}),
        },
    ),
    verbs="describe list delete",
    guard=HOLDING,
    moves={"delete": "Deleting"},
    computed={
        "ProductionVariants": summaries.production_variants,
        "ShadowProductionVariants": summaries.shadow_variants,
        "DataCaptureConfig": summaries.capture_summary,
        "AsyncInferenceConfig": summaries.asynchronous,
        "EndpointConfigName": summaries.config_name,
        "PendingDeploymentSummary": summaries.pending,
    },
    missing=("ValidationException", 'Could not find endpoint "{arn}".'),
    exists=("ValidationException", 'Cannot create already existing endpoint "{arn}".'),
    refused=("ValidationException", 'Cannot update in-progress endpoint "{arn}".'),
)
