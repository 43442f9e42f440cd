"""EndpointConfig and Endpoint as data: their checks at creation, and the members of Describe that are computed."""

from collections.abc import Iterator
from typing import Any

from clary.capabilities.endpoints import fleet
from clary.capabilities.endpoints.fleet import Fleets
from clary.capabilities.instances.quota import Held, Holding
from clary.companions.iam.roles import check_pass_role
from clary.resources.kinds import Kind, Kinds, View
from clary.resources.machine import Machine
from clary.resources.records import Record
from clary.resources.verbs import find
from clary.wire.context import Context
from clary.wire.errors import NotBuilt, ValidationException

Request = dict[str, Any]

UNBUILT = {
    "AsyncInferenceConfig": "Asynchronous endpoints (AsyncInferenceConfig)",
    "ExplainerConfig": "Online explanations (ExplainerConfig)",
    "CrossRegionTrafficConfig": "CrossRegionTrafficConfig",
}
UNBUILT_VARIANT = {
    "ServerlessConfig": "Serverless variants (ServerlessConfig)",
    "ManagedInstanceScaling": "ManagedInstanceScaling",
    "InstancePools": "InstancePools",
    "CapacityReservationConfig": "CapacityReservationConfig",
    "CoreDumpConfig": "Core dumps (CoreDumpConfig)",
}
"""What this version refuses by name rather than ignores."""


def admit_config(ctx: Context, request: Request) -> Request:
    """The variants name models that exist, each variant once; features not built are refused."""
    _refuse(request, UNBUILT)
    if role := request.get("ExecutionRoleArn"):
        check_pass_role(ctx, role)
    variants = [_admit_variant(ctx, variant) for variant in request["ProductionVariants"]]
    shadows = [_admit_variant(ctx, variant) for variant in request.get("ShadowProductionVariants", [])]
    if shadows and len(variants) + len(shadows) != 2:
        raise ValidationException(
            "An endpoint configuration with ShadowProductionVariants must have exactly one production variant and one "
            "shadow variant."
        )
    names = [variant["VariantName"] for variant in (*variants, *shadows)]
    if len(set(names)) < len(names):
        raise ValidationException("Production variant names must be unique in an endpoint configuration.")
    return {**request, "ProductionVariants": variants} | ({"ShadowProductionVariants": shadows} if shadows else {})


def _admit_variant(ctx: Context, variant: Request) -> Request:
    _refuse(variant, UNBUILT_VARIANT)
    if not variant.get("ModelName"):
        raise NotBuilt("Variants without a ModelName (inference components) are not supported yet.")
    find(ctx, model_kind(ctx), variant["ModelName"])
    if "InstanceType" not in variant:
        raise ValidationException(f"Production variant {variant['VariantName']} needs an InstanceType.")
    return {"InitialInstanceCount": 1, "InitialVariantWeight": 1.0, **variant}


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


def production_variants(view: View) -> list[dict[str, Any]] | None:
    """ProductionVariantSummary of each variant that serves, or is to."""
    current = _fleets(view).current
    if current is None:
        return None
    resolved = view.record.created
    return [_summary(variant, resolved) for variant in current.production]


def shadow_variants(view: View) -> list[dict[str, Any]] | None:
    current = _fleets(view).current
    shadows = current.shadows if current else ()
    return [_summary(variant, view.record.created) for variant in shadows] or None


def capture_summary(view: View) -> dict[str, Any] | None:
    """DataCaptureConfigSummary: what the serving fleet does now."""
    current = _fleets(view).current
    config = current.capture if current else None
    if config is None:
        return None
    on = config.get("EnableCapture", True)
    return {
        "EnableCapture": on,
        "CaptureStatus": "Started" if on else "Stopped",
        "CurrentSamplingPercentage": config["InitialSamplingPercentage"],
        "DestinationS3Uri": config["DestinationS3Uri"],
        "KmsKeyId": config.get("KmsKeyId", ""),
    }


def _summary(variant: fleet.Variant, resolved: float) -> dict[str, Any]:
    images = [container["Image"] for container in fleet.containers(variant.model)]
    return {
        "VariantName": variant.name,
        "DeployedImages": [
            {"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": resolved} for image in images
        ],
        "CurrentWeight": variant.weight,
        "DesiredWeight": variant.weight,
        "CurrentInstanceCount": len(variant.ready),
        "DesiredInstanceCount": variant.count,
        **{key: variant.production[key] for key in ("RoutingConfig",) if key in variant.production},
    }


def config_name(view: View) -> str:
    """The configuration that serves, not the one an update is bringing up."""
    current = _fleets(view).current
    last = view.record.state.get(fleet.CONFIG_KEY) or view.record.spec["EndpointConfigName"]
    return current.config if current else str(last)


def pending(view: View) -> dict[str, Any] | None:
    """PendingDeploymentSummary while an update brings a new fleet up beside the old."""
    fleets = _fleets(view)
    if fleets.serving is None or fleets.next is None:
        return None
    shadows = [_pending(variant, view.record.modified) for variant in fleets.next.shadows]
    return {
        "EndpointConfigName": fleets.next.config,
        "ProductionVariants": [_pending(variant, view.record.modified) for variant in fleets.next.production],
        **({"ShadowProductionVariants": shadows} if shadows else {}),
        "StartTime": view.record.modified,
    }


def _pending(variant: fleet.Variant, resolved: float) -> dict[str, Any]:
    return {
        "VariantName": variant.name,
        "DeployedImages": _summary(variant, resolved)["DeployedImages"],
        "CurrentWeight": 0.0,
        "DesiredWeight": variant.weight,
        "CurrentInstanceCount": len(variant.ready),
        "DesiredInstanceCount": variant.count,
    }


def _fleets(view: View) -> Fleets:
    return fleet.load(view.record.state)


def held(record: Record) -> Iterator[Held]:
    """The instances of all variants: during an update those of both fleets."""
    fleets = fleet.load(record.state)
    for each in (fleets.serving, fleets.next):
        for variant in each.variants if each else ():
            yield "hosting", variant.production["InstanceType"], variant.count


HOLDING = Holding(("Creating", "Updating", "InService"), held)


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
        "ProductionVariants": production_variants,
        "ShadowProductionVariants": shadow_variants,
        "DataCaptureConfig": capture_summary,
        "EndpointConfigName": config_name,
        "PendingDeploymentSummary": pending,
    },
    missing=("ValidationException", 'Could not find endpoint "{arn}".'),
    exists=("ValidationException", 'Cannot create already existing endpoint "{arn}".'),
    refused=("ValidationException", 'Cannot update in-progress endpoint "{arn}".'),
)
