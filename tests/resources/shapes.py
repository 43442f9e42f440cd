"""The hard shapes, declared: if one of these needs a contortion, the layer is wrong."""

from typing import Any

from clary.resources.edit import Edit
from clary.resources.kinds import Kind, Request, View
from clary.resources.machine import Machine
from clary.resources.sealed import page_of
from clary.resources.store import Store
from clary.resources.verbs import answer, create, edit, find
from clary.wire.context import Context
from clary.wire.errors import ValidationException
from clary.wire.operations import operation

# An ordinary job.
PROCESSING_JOB = Kind(
    noun="ProcessingJob",
    arn="processing-job/{ProcessingJobName}",
    machine=Machine(
        start="InProgress",
        edges={
            "InProgress": frozenset({"Completed", "Failed", "Stopping"}),
            "Stopping": frozenset({"Stopped", "Failed"}),
        },
    ),
    verbs="create describe list stop",
    moves={"stop": "Stopping"},
)


def _named_role(ctx: Context, request: Request) -> Request:
    if request["ExecutionRoleArn"].endswith("/nobody"):
        raise ValidationException("Could not access the role.")
    return {"EnableNetworkIsolation": False, **request}


# Without states; its errors have words of their own.
MODEL = Kind(
    noun="Model",
    arn="model/{ModelName}",
    missing=("ValidationException", 'Could not find model "{arn}".'),
    exists=("ValidationException", 'Cannot create already existing model "{arn}".'),
    admit=_named_role,
)


# Update with rollback: the old configuration is kept until the new one serves.
def _new_config(ctx: Context, change: Edit, request: Request) -> None:
    change.record.state["Before"] = change.record.spec["EndpointConfigName"]
    change.record.spec["EndpointConfigName"] = request["EndpointConfigName"]


ENDPOINT = Kind(
    noun="Endpoint",
    arn="endpoint/{EndpointName}",
    machine=Machine(
        start="Creating",
        edges={
            "Creating": frozenset({"InService", "Failed"}),
            "InService": frozenset({"Updating", "Deleting"}),
            "Updating": frozenset({"InService", "RollingBack"}),
            "RollingBack": frozenset({"InService"}),
            "Failed": frozenset({"Deleting"}),
        },
    ),
    verbs="create describe list update delete",
    moves={"update": "Updating", "delete": "Deleting"},
    amend=_new_config,
    missing=("ValidationException", 'Could not find endpoint "{arn}".'),
    exists=("ValidationException", 'Cannot create already existing endpoint "{arn}".'),
)


# Paging inside Describe.
def _features(view: View) -> list[dict[str, Any]]:
    return page_of(view, view.record.spec["FeatureDefinitions"], 2)[0]


def _next_features(view: View) -> str | None:
    return page_of(view, view.record.spec["FeatureDefinitions"], 2)[1]


FEATURE_GROUP = Kind(
    noun="FeatureGroup",
    arn="feature-group/{FeatureGroupName}",
    machine=Machine(start="Creating", edges={"Creating": frozenset({"Created", "CreateFailed"})}),
    verbs="create describe list",
    computed={"FeatureDefinitions": _features, "NextToken": _next_features},
)

# Its answers are wrapped in a member.
WORKTEAM = Kind(
    noun="Workteam",
    arn="workteam/private-crowd/{WorkteamName}",
    verbs="create describe list update delete",
    missing=("ValidationException", "The work team {name} does not exist."),
    exists=("ValidationException", "The work team {name} already exists."),
)

# Versions in a group, or a package with a name of its own.
MODEL_PACKAGE_GROUP = Kind(
    noun="ModelPackageGroup",
    arn="model-package-group/{ModelPackageGroupName}",
    verbs="create describe list delete",
    missing=("ValidationException", "ModelPackageGroup {arn} does not exist."),
    exists=("ValidationException", "Model Package Group already exists: {arn}"),
)


def _group_first(view: View) -> str:
    return view.record.parent or view.record.name


def _version(view: View) -> int | None:
    return int(view.record.name.rpartition("/")[2]) if view.record.parent else None


MODEL_PACKAGE = Kind(
    noun="ModelPackage",
    arn="model-package/{name}",
    named="number",
    parent_kind=MODEL_PACKAGE_GROUP,
    verbs="create describe list update delete",
    machine=Machine(start="Completed", edges={}),
    computed={"ModelPackageName": _group_first, "ModelPackageVersion": _version},
    missing=("ValidationException", "Could not find model package {arn}."),
)

# Versions beside the resource: each create and update makes one, in the same commit.
PIPELINE = Kind(
    noun="Pipeline",
    arn="pipeline/{PipelineName}",
    machine=Machine(start="Active", edges={}),
    verbs="create describe list update delete",
    exists=("ValidationException", "Pipeline names must be unique, and {arn} already exists."),
)
PIPELINE_VERSION = Kind(
    noun="PipelineVersion",
    arn="pipeline/{parent}/version/{number}",
    named="number",
    name_member="PipelineVersionName",
    parent_kind=PIPELINE,
    verbs="list",
    computed={"PipelineVersionId": lambda view: int(view.record.name.rpartition("/")[2])},
)
PIPELINE_EXECUTION = Kind(
    noun="PipelineExecution",
    arn="pipeline/{parent}/execution/{name}",
    named="random",
    parent_kind=PIPELINE,
    machine=Machine(
        start="Executing",
        edges={"Executing": frozenset({"Stopping", "Succeeded"}), "Stopping": frozenset({"Stopped"})},
    ),
    verbs="describe list stop",
    moves={"stop": "Stopping"},
)


@operation("CreatePipeline")
def create_pipeline(ctx: Context, request: Request) -> Request:
    with ctx.need(Store).write():
        record = create(ctx, PIPELINE, request)
        create(ctx, PIPELINE_VERSION, request)
    return answer(ctx, PIPELINE, record)


@operation("UpdatePipeline")
def update_pipeline(ctx: Context, request: Request) -> Request:
    with edit(ctx, find(ctx, PIPELINE, request)) as change:
        change.record.spec.update(request)
        version = create(ctx, PIPELINE_VERSION, change.record.spec)
    return answer(ctx, PIPELINE, change.record) | {"PipelineVersionId": int(version.name.rpartition("/")[2])}


@operation("DescribePipeline")
def describe_pipeline(ctx: Context, request: Request) -> Request:
    record = find(ctx, PIPELINE, request)
    if "PipelineVersionId" in request:
        version = find(ctx, PIPELINE_VERSION, f"{record.name}/{request['PipelineVersionId']}")
        record.spec = version.spec
    return answer(ctx, PIPELINE, record)


@operation("StartPipelineExecution")
def start_pipeline_execution(ctx: Context, request: Request) -> Request:
    return answer(ctx, PIPELINE_EXECUTION, create(ctx, PIPELINE_EXECUTION, request))


KINDS = (
    PROCESSING_JOB,
    MODEL,
    ENDPOINT,
    FEATURE_GROUP,
    WORKTEAM,
    MODEL_PACKAGE_GROUP,
    MODEL_PACKAGE,
    PIPELINE,
    PIPELINE_VERSION,
    PIPELINE_EXECUTION,
)
SPECIAL = (create_pipeline, update_pipeline, describe_pipeline, start_pipeline_execution)
