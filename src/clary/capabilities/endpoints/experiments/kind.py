"""InferenceExperiment as data: what CreateInferenceExperiment checks, and what Describe computes.

```
Creating ─▶ Created ─▶ Starting ─▶ Running ◀─▶ Updating
               │           │          │            │
               ▼           ▼          ▼            │
           (stopped) ─▶ Stopping ◀─────────────────┘
                            │
                            ▼
                 Completed or Cancelled
```
"""

from typing import Any

from clary.capabilities.endpoints import fleet
from clary.capabilities.endpoints.experiments import configs
from clary.capabilities.endpoints.fleet import Fleets
from clary.capabilities.endpoints.kind import ENDPOINT, model_kind
from clary.companions.iam.roles import check_pass_role
from clary.resources.kinds import Kind, View
from clary.resources.machine import Machine
from clary.resources.records import Record
from clary.resources.store import Store
from clary.resources.verbs import find
from clary.wire.context import Context
from clary.wire.errors import ValidationException

Request = dict[str, Any]

DAY = 86400.0
USUAL_DAYS, MOST_DAYS = 7, 30
FINAL = ("Completed", "Cancelled")


def admit(ctx: Context, request: Request) -> Request:
    """The two variants and their models exist; the schedule is whole."""
    check_pass_role(ctx, request["RoleArn"])
    check_variants(ctx, request)
    endpoint = ctx.need(Store).get(ENDPOINT.noun, ctx.account, ctx.region, request["EndpointName"])
    if endpoint is not None:
        _check_endpoint(endpoint)
    return {**request, "Schedule": schedule(ctx, request.get("Schedule", {}), ctx.need(Store).now())}


def check_variants(ctx: Context, spec: Request) -> None:
    """Raises ValidationException, or the missing error of a model."""
    names = [each["VariantName"] for each in spec["ModelVariants"]]
    wanted = {configs.source(spec), configs.shadow(spec)}
    if len(set(names)) < len(names) or set(names) != wanted or len(wanted) != 2:
        raise ValidationException(
            "ModelVariants must hold the source variant and the shadow variant that ShadowModeConfig names."
        )
    check_models(ctx, spec["ModelVariants"])


def check_models(ctx: Context, variants: list[Request]) -> None:
    for each in variants:
        find(ctx, model_kind(ctx), each["ModelName"])


def schedule(ctx: Context, given: Request, created: float) -> Request:
    """With both ends. Raises ValidationException."""
    start = given.get("StartTime", created)
    end = given.get("EndTime", start + USUAL_DAYS * DAY)
    if end <= max(start, ctx.need(Store).now()):
        raise ValidationException("The EndTime of an inference experiment must be later than its StartTime and now.")
    if end - start > MOST_DAYS * DAY:
        raise ValidationException(f"An inference experiment can run for at most {MOST_DAYS} days.")
    return {"StartTime": start, "EndTime": end}


def _check_endpoint(endpoint: Record) -> None:
    current = fleet.load(endpoint.state).current
    if current is not None and (len(current.production) != 1 or current.shadows):
        raise ValidationException(
            f"Endpoint {endpoint.name} must have one production variant and no shadow variant for an experiment."
        )


def endpoint_of(store: Store, experiment: Record) -> Record | None:
    name = experiment.spec["EndpointName"]
    return store.get(ENDPOINT.noun, experiment.account, experiment.region, name)


def metadata(view: View) -> Request:
    """EndpointMetadata: the endpoint as it is now, or only its name."""
    endpoint = endpoint_of(view.ctx.need(Store), view.record)
    found = {"EndpointName": view.record.spec["EndpointName"]}
    if endpoint is None:
        return found
    shown = {
        "EndpointConfigName": endpoint.state.get(fleet.CONFIG_KEY),
        "EndpointStatus": endpoint.status,
        "FailureReason": endpoint.state.get("FailureReason"),
    }
    return found | {name: value for name, value in shown.items() if value}


def variants(view: View) -> list[Request]:
    endpoint = endpoint_of(view.ctx.need(Store), view.record)
    fleets = fleet.load(endpoint.state) if endpoint else Fleets()
    there = {each.name for each in fleets.serving.variants} if fleets.serving else set[str]()
    return [
        {**each, "Status": _variant_status(view.record.status, each["VariantName"] in there)}
        for each in view.record.spec["ModelVariants"]
    ]


def _variant_status(status: str, there: bool) -> str:
    if there:
        return "Updating" if status == "Updating" else "InService"
    if status in FINAL:
        return "Deleted"
    return "Deleting" if status == "Stopping" else "Creating"


EXPERIMENT = Kind(
    noun="InferenceExperiment",
    arn="inference-experiment/{Name}",
    name_member="Name",
    status_member="Status",
    verbs="create describe list",
    admit=admit,
    machine=Machine(
        start="Creating",
        edges={
            "Creating": frozenset({"Created"}),
            "Created": frozenset({"Starting", "Stopping", "Created"}),
            "Starting": frozenset({"Running", "Stopping", "Cancelled"}),
            "Running": frozenset({"Updating", "Stopping"}),
            "Updating": frozenset({"Running", "Stopping"}),
            "Stopping": frozenset({"Completed", "Cancelled"}),
        },
    ),
    computed={
        "Arn": lambda view: view.record.arn,
        "EndpointMetadata": metadata,
        "ModelVariants": variants,
    },
    missing=("ResourceNotFound", "Inference experiment {name} does not exist."),
    exists=("ResourceInUse", "Inference experiment {name} already exists ({arn})."),
    refused=("ConflictException", "Inference experiment {name} cannot go from {status} to {target}."),
)
