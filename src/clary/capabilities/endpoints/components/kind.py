"""The InferenceComponent kind, and what CreateInferenceComponent and UpdateInferenceComponent check."""

from typing import Any

from clary.capabilities.endpoints import fleet
from clary.capabilities.endpoints.fleet import Fleet, Fleets, Variant
from clary.capabilities.endpoints.kind import model_kind
from clary.objects import Objects, parse_uri
from clary.resources.kinds import Kind, View
from clary.resources.machine import Machine
from clary.resources.records import Record
from clary.resources.verbs import find
from clary.wire.context import Context
from clary.wire.errors import NotBuilt, ValidationException

Request = dict[str, Any]

TENDED_KEY = "Tended"
"""In a record's state: its status as an endpoint would have it, which says more."""
SPECIFICATIONS = ("Specification", "Specifications")
"""Of a request, which has one of them."""


def host_variant(endpoint: Record, name: str | None) -> Variant:
    """The variant whose instances are to run a component. Raises ValidationException."""
    serving = fleet.load(endpoint.state).serving
    if endpoint.status != "InService" or serving is None:
        raise ValidationException(f'Endpoint "{endpoint.arn}" is not InService.')
    hosts = [variant for variant in serving.variants if fleet.is_host(variant.model)]
    if not hosts:
        raise ValidationException(
            f'Endpoint "{endpoint.arn}" has variants with models. Inference components need variants without ModelName.'
        )
    found = next((variant for variant in hosts if name in (None, variant.name)), None)
    if found is None:
        raise ValidationException(f'Could not find variant "{name}" of endpoint "{endpoint.arn}".')
    return found


def specification(request: Request, host: Variant) -> Request:
    """The one of a request that is for the instance type of the variant. Raises ValidationException."""
    given: list[Request] = request.get("Specifications") or []
    alone: Request | None = request.get("Specification")
    if bool(alone) == bool(given):
        raise ValidationException("Specify either Specification or Specifications in an inference component.")
    if len(given) > 1 and not all("InstanceType" in each for each in given):
        raise ValidationException("Each of several Specifications of an inference component needs an InstanceType.")
    here = host.production["InstanceType"]
    found = [each for each in given or [alone or {}] if each.get("InstanceType", here) == here]
    if len(found) != 1:
        raise ValidationException(f'Variant "{host.name}" needs one Specification for its instance type {here}.')
    return found[0]


def resolve(ctx: Context, specification: Request, host: Variant, copies: int, generation: int) -> Fleet:
    """The fleet of a specification, its model as it is now. Raises what makes it impossible."""
    if specification.get("BaseInferenceComponentName"):
        raise NotBuilt(
            "Adapter inference components (BaseInferenceComponentName) are not supported yet. Put the adapter into the "
            "archive of a model of its own and give that as ModelName, with ComputeResourceRequirements."
        )
    requirements = specification.get("ComputeResourceRequirements")
    if not requirements:
        raise ValidationException("ComputeResourceRequirements is required for an inference component.")
    if requirements.get("AcceleratorPartitionType"):
        raise NotBuilt("AcceleratorPartitionType is not supported yet.")
    production = {
        "VariantName": host.name,
        "InstanceType": host.production["InstanceType"],
        "ComputeResourceRequirements": requirements,
        **specification.get("StartupParameters", {}),
    }
    copy = Variant(
        name=host.name,
        weight=1.0,
        count=copies,
        production=production,
        model=_model(ctx, specification, host.model),
    )
    return Fleet(config="", generation=generation, variants=(copy,))


def _model(ctx: Context, specification: Request, host: Request) -> Request:
    named, container = specification.get("ModelName"), specification.get("Container")
    if named:
        model = find(ctx, model_kind(ctx), named).spec
        if container:
            raise ValidationException("Specify either ModelName or Container in an inference component, and not both.")
        return {**host, **model, "Hosts": False}
    if not container or not container.get("Image"):
        raise ValidationException("An inference component needs a ModelName, or a Container with an Image.")
    if url := container.get("ArtifactUrl"):
        _check_artefact(ctx, url)
    primary = {
        "Image": container["Image"],
        "Environment": container.get("Environment", {}),
        **({"ModelDataUrl": url} if url else {}),
    }
    return {**host, "Hosts": False, "PrimaryContainer": primary}


def _check_artefact(ctx: Context, url: str) -> None:
    objects = ctx.need(Objects)
    try:
        bucket, key = parse_uri(url)
    except ValueError as error:
        raise ValidationException(str(error)) from error
    if not objects.bucket_exists(ctx.account, bucket) or objects.find(bucket, key) is None:
        raise ValidationException(f"Could not find model data at {url}.")


def _current(view: View) -> Variant | None:
    current = fleet.load(view.record.state).current
    return current.variants[0] if current else None


def _one(view: View) -> Request | None:
    given: Request | None = view.record.spec.get("Specification")
    return _summary(view, given) if given else None


def _several(view: View) -> list[Request] | None:
    return [_summary(view, each) for each in view.record.spec.get("Specifications", [])] or None


def _summary(view: View, given: Request) -> Request:
    """InferenceComponentSpecificationSummary."""
    shown = {key: value for key, value in given.items() if key != "Container"}
    if container := given.get("Container"):
        image = container["Image"]
        deployed = {"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": view.record.created}
        shown["Container"] = {**{k: v for k, v in container.items() if k != "Image"}, "DeployedImage": deployed}
    return shown


def _runtime(view: View) -> Request:
    """InferenceComponentRuntimeConfigSummary."""
    variant = _current(view)
    if variant is None:
        return {
            "DesiredCopyCount": view.record.spec.get("RuntimeConfig", {}).get("CopyCount", 1),
            "CurrentCopyCount": 0,
        }
    return {"DesiredCopyCount": variant.count, "CurrentCopyCount": len(variant.ready)}


def _deployment(view: View) -> Request | None:
    found: Request | None = view.record.state.get(fleet.DEPLOYED_KEY)
    return found


def with_fleets(fleets: Fleets, tended: str) -> dict[str, Any]:
    """The part of a record's state that these are; there is no configuration to be shown."""
    dumped = fleet.dump(fleets)
    dumped.pop(fleet.CONFIG_KEY, None)
    return dumped | {TENDED_KEY: tended}


INFERENCE_COMPONENT = Kind(
    noun="InferenceComponent",
    arn="inference-component/{InferenceComponentName}",
    machine=Machine(
        start="Creating",
        edges={
            "Creating": frozenset({"InService", "Failed", "Deleting"}),
            "InService": frozenset({"Updating", "Deleting"}),
            "Updating": frozenset({"InService", "Failed", "Deleting"}),
            "Failed": frozenset({"Updating", "Deleting"}),
            "Deleting": frozenset({"Deleting"}),
        },
    ),
    verbs="describe list delete",
    moves={"delete": "Deleting"},
    computed={
        "Specification": _one,
        "Specifications": _several,
        "RuntimeConfig": _runtime,
        "LastDeploymentConfig": _deployment,
    },
    filters={
        "EndpointNameEquals": lambda record, wanted: record.spec["EndpointName"] == wanted,
        "VariantNameEquals": lambda record, wanted: record.spec["VariantName"] == wanted,
    },
    missing=("ValidationException", 'Could not find inference component "{arn}".'),
    exists=("ValidationException", 'Cannot create already existing inference component "{arn}".'),
    refused=("ValidationException", 'Cannot update in-progress inference component "{arn}".'),
)
"""It may be deleted while it is created: one that waits for nothing but room would otherwise wait for ever."""
