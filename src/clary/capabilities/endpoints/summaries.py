"""The members of DescribeEndpoint that are computed from its fleets. `kind.py` names them, `stages.py` adds what an
update is doing with each variant."""

from typing import Any

from clary.capabilities.endpoints import fleet, stages
from clary.capabilities.endpoints.fleet import Fleets, Variant
from clary.capabilities.endpoints.serverless import config as serverless
from clary.capabilities.model_containers.spec import containers
from clary.resources.kinds import View
from clary.resources.store import Store

Summary = dict[str, Any]


def production_variants(view: View) -> list[Summary] | None:
    """ProductionVariantSummary of each variant that serves, or is to."""
    fleets = _fleets(view)
    return [_current(view, fleets, variant) for variant in fleets.current.production] if fleets.current else None


def shadow_variants(view: View) -> list[Summary] | None:
    fleets = _fleets(view)
    shadows = fleets.current.shadows if fleets.current else ()
    return [_current(view, fleets, variant) for variant in shadows] or None


def capture_summary(view: View) -> Summary | None:
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


def asynchronous(view: View) -> Summary | None:
    """AsyncInferenceConfig of what serves."""
    current = _fleets(view).current
    return current.asynchronous if current else None


def config_name(view: View) -> str:
    """The configuration that serves, not the one an update is bringing up."""
    current = _fleets(view).current
    last = view.record.state.get(fleet.CONFIG_KEY) or view.record.spec["EndpointConfigName"]
    return current.config if current else str(last)


def pending(view: View) -> Summary | None:
    """PendingDeploymentSummary while an endpoint is created, or an update brings a new fleet up beside the old."""
    fleets = _fleets(view)
    if fleets.next is None:
        return None
    shadows = [_pending(view, fleets, variant) for variant in fleets.next.shadows]
    return {
        "EndpointConfigName": fleets.next.config,
        "ProductionVariants": [_pending(view, fleets, variant) for variant in fleets.next.production],
        **({"ShadowProductionVariants": shadows} if shadows else {}),
        "StartTime": fleets.deployment.started if fleets.deployment else view.record.created,
    }


def _current(view: View, fleets: Fleets, variant: Variant) -> Summary:
    record = view.record
    if fleets.serving:
        found = stages.serving(record.id, fleets, variant, record.modified)
    else:
        found = stages.upcoming(fleets, variant, record.created, view.ctx.need(Store).now())
    shown = _summary(variant, record.created, found)
    return {**shown, "CurrentWeight": variant.weight} | _given(variant)


def _pending(view: View, fleets: Fleets, variant: Variant) -> Summary:
    started = fleets.deployment.started if fleets.deployment else view.record.created
    found = stages.upcoming(fleets, variant, view.record.created, view.ctx.need(Store).now())
    taking = fleets.serving is not None and variant.share > 0
    shown = _summary(variant, started, found)
    given = {"InstanceType": variant.production["InstanceType"]} if "InstanceType" in variant.production else {}
    return {**shown, "CurrentWeight": variant.weight if taking else 0.0} | given | _given(variant)


def _summary(variant: Variant, resolved: float, found: list[stages.Stage]) -> Summary:
    images = [container["Image"] for container in containers(variant.model)]
    return {
        "VariantName": variant.name,
        "DeployedImages": [
            {"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": resolved} for image in images
        ],
        "DesiredWeight": variant.weight,
        **_capacity(variant),
        **({"VariantStatus": found} if found else {}),
    }


def _capacity(variant: Variant) -> Summary:
    if config := serverless.of(variant.production):
        return {"CurrentServerlessConfig": config, "DesiredServerlessConfig": config}
    return {"CurrentInstanceCount": len(variant.ready), "DesiredInstanceCount": variant.count}


def _given(variant: Variant) -> Summary:
    return {
        key: variant.production[key] for key in ("RoutingConfig", "ManagedInstanceScaling") if key in variant.production
    }


def _fleets(view: View) -> Fleets:
    return fleet.load(view.record.state)
