"""The job as a resource: its machine, its checks at creation, and what Describe computes from its trials."""

import uuid
from typing import Any

from clary.capabilities.recommendations import figures, traffic, trials
from clary.capabilities.recommendations.trials import Trial
from clary.companions.iam.roles import check_pass_role
from clary.objects import Objects, parse_uri
from clary.resources.kinds import Kind, Kinds, View
from clary.resources.machine import Machine
from clary.resources.records import Record
from clary.resources.verbs import find
from clary.wire.context import Context
from clary.wire.errors import NotBuilt, ValidationException

Request = dict[str, Any]
FINAL = ("COMPLETED", "FAILED", "STOPPED")


def admit(ctx: Context, request: Request) -> Request:
    """Raises `ValidationException`, `NotBuilt` or `AccessDenied`."""
    check_pass_role(ctx, request["RoleArn"])
    config = request["InputConfig"]
    if config.get("ModelPackageVersionArn"):
        raise NotBuilt("Model packages (ModelPackageVersionArn) are not supported yet. Give ModelName.")
    if request.get("OutputConfig", {}).get("CompiledOutputConfig"):
        raise NotBuilt(
            "Compiling the model for its recommendations (CompiledOutputConfig) is not supported yet. Compile it with "
            "CreateCompilationJob and give the ModelName of the result."
        )
    _check_model(ctx, config)
    _check_payload(ctx, config.get("ContainerConfig", {}))
    _check_load(request, config)
    return request


def _check_model(ctx: Context, config: Request) -> None:
    if not config.get("ModelName"):
        raise ValidationException("InputConfig needs either ModelPackageVersionArn or ModelName.")
    kind = ctx.need(Kinds).find("Model")
    if kind is None:
        raise LookupError("recommendations need the models capability")
    find(ctx, kind, config["ModelName"])


def _check_payload(ctx: Context, container: Request) -> None:
    payload = container.get("PayloadConfig", {})
    uri = payload.get("SamplePayloadUrl", "")
    if not uri:
        raise ValidationException("ContainerConfig.PayloadConfig.SamplePayloadUrl is required with ModelName.")
    if not uri.endswith(".tar.gz"):
        raise ValidationException(f"SamplePayloadUrl must name a single archive with suffix .tar.gz: {uri}")
    if not payload.get("SupportedContentTypes"):
        raise ValidationException("ContainerConfig.PayloadConfig.SupportedContentTypes is required with ModelName.")
    try:
        bucket, key = parse_uri(uri)
    except ValueError as error:
        raise ValidationException(str(error)) from error
    objects = ctx.need(Objects)
    if not objects.bucket_exists(ctx.account, bucket) or objects.find(bucket, key) is None:
        raise ValidationException(f"Could not find the sample payload at {uri}.")


def _check_load(request: Request, config: Request) -> None:
    if request["JobType"] == "Advanced":
        for member in ("TrafficPattern", "EndpointConfigurations"):
            if not config.get(member) and not (member == "EndpointConfigurations" and config.get("Endpoints")):
                raise ValidationException(f"InputConfig.{member} is required for a job of type Advanced.")
    pattern = config.get("TrafficPattern", {})
    if pattern and bool(pattern.get("Phases")) == bool(pattern.get("Stairs")):
        raise ValidationException("TrafficPattern needs either Phases or Stairs.")
    if pattern.get("Stairs") and not pattern["Stairs"].get("NumberOfSteps"):
        raise ValidationException("TrafficPattern.Stairs needs NumberOfSteps.")
    longest = config.get("JobDurationInSeconds", traffic.LONGEST_SECONDS)
    if sum(seconds for _, seconds in traffic.steps(config)) > longest:
        raise ValidationException(f"The traffic pattern takes longer than JobDurationInSeconds ({longest}).")
    for entry in config.get("EndpointConfigurations", []):
        if bool(entry.get("InstanceType")) == bool(entry.get("ServerlessConfig")):
            raise ValidationException("An endpoint configuration needs either InstanceType or ServerlessConfig.")
        if entry.get("InferenceSpecificationName"):
            raise NotBuilt(
                "InferenceSpecificationName in EndpointConfigurations is of model packages, which are not supported "
                "yet. Give InputConfig the ModelName of a model with that container."
            )
    if figures.percentile(request.get("StoppingConditions", {}))[0].upper() not in ("P50", "P95", "P99"):
        raise ValidationException("The percentile of a latency threshold must be P95 or P99.")


def recommendations(view: View) -> list[Request] | None:
    """The cheapest first, then the fastest; none while the job runs."""
    record = view.record
    if record.status not in FINAL:
        return None
    found = [shown for trial in _trials(view) if trial.own and (shown := recommendation(record, trial))]
    return sorted(found, key=_rank) or None


def recommendation(record: Record, trial: Trial) -> Request | None:
    """An InferenceRecommendation; `None` for a trial that showed nothing."""
    conditions = record.spec.get("StoppingConditions", {})
    step = figures.best(trial.outcome, conditions) if trial.succeeded and trial.outcome else None
    if step is None:
        return None
    return {
        "RecommendationId": f"{record.name}/{str(uuid.uuid5(uuid.NAMESPACE_OID, trial.endpoint))[:8]}",
        "Metrics": figures.metrics(trial, step, conditions, record.region),
        "EndpointConfiguration": figures.endpoint_configuration(trial),
        "ModelConfiguration": figures.model_configuration(trial),
        "InvocationStartTime": trial.begun,
        "InvocationEndTime": trial.over,
    }


def _rank(shown: Request) -> tuple[float, int]:
    metrics = shown["Metrics"]
    return metrics.get("CostPerInference", float("inf")), -metrics["MaxInvocations"]


def performances(view: View) -> list[Request] | None:
    """EndpointPerformance of each endpoint of the user's."""
    conditions = view.record.spec.get("StoppingConditions", {})
    found = []
    for trial in _trials(view):
        step = figures.best(trial.outcome, conditions) if not trial.own and trial.succeeded and trial.outcome else None
        if step:
            metrics = figures.metrics(trial, step, conditions, view.record.region)
            shown = {name: metrics[name] for name in ("MaxInvocations", "ModelLatency")}
            found.append({"Metrics": shown, "EndpointInfo": {"EndpointName": trial.endpoint}})
    return found or None


def _trials(view: View) -> tuple[Trial, ...]:
    return trials.load(view.record.state)


def _of_input(member: str) -> Any:
    return lambda view: view.record.spec["InputConfig"].get(member)


def _payload(view: View) -> str | None:
    config = view.record.spec["InputConfig"].get("ContainerConfig", {})
    return config.get("PayloadConfig", {}).get("SamplePayloadUrl")  # type: ignore[no-any-return]


def _same_model(record: Record, name: str) -> bool:
    return bool(record.spec["InputConfig"].get("ModelName") == name)


RECOMMENDATIONS_JOB = Kind(
    noun="InferenceRecommendationsJob",
    name_member="JobName",
    arn_member="JobArn",
    status_member="Status",
    arn="inference-recommendations-job/{JobName}",
    machine=Machine(
        start="PENDING",
        edges={
            "PENDING": frozenset({"IN_PROGRESS", "STOPPING", "FAILED"}),
            "IN_PROGRESS": frozenset({"COMPLETED", "FAILED", "STOPPING"}),
            "STOPPING": frozenset({"STOPPED"}),
        },
    ),
    verbs="create describe list stop",
    moves={"stop": "STOPPING"},
    admit=admit,
    computed={
        "InferenceRecommendations": recommendations,
        "EndpointPerformances": performances,
        "ModelName": _of_input("ModelName"),
        "SamplePayloadUrl": _payload,
        "JobDescription": lambda view: view.record.spec.get("JobDescription", ""),
    },
    filters={"ModelNameEquals": _same_model, "ModelPackageVersionArnEquals": lambda record, arn: False},
    missing=("ResourceNotFound", "Could not find inference recommendations job {name}."),
    exists=(
        "ResourceInUse",
        "Inference recommendations job names must be unique, and {name} already exists ({arn})",
    ),
    refused=("ValidationException", "The request was rejected because the job is in status {status}."),
)
