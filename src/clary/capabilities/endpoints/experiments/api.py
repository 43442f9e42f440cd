"""What the common verbs cannot say of experiments. Each only changes the record: `reconcile.py` does the rest."""

from typing import Any

from clary.capabilities.endpoints.experiments import configs
from clary.capabilities.endpoints.experiments.kind import EXPERIMENT, FINAL, check_models, check_variants, schedule
from clary.resources.edit import Edit, edit
from clary.resources.refusals import refused
from clary.resources.store import Store
from clary.resources.verbs import find, remove
from clary.wire.context import Context
from clary.wire.errors import AwsError, ValidationException
from clary.wire.operations import operation

Request = dict[str, Any]


@operation("StartInferenceExperiment")
def start_experiment(ctx: Context, request: Request) -> Request:
    """Before its time; it then runs as long as it was to."""
    record = find(ctx, EXPERIMENT, request)
    with edit(ctx, record) as change:
        if change.record.status != "Created":
            raise refused(EXPERIMENT, change.record, "Starting")
        times = change.record.spec["Schedule"]
        length = times["EndTime"] - times["StartTime"]
        change.record.spec["Schedule"] = {"StartTime": change.now, "EndTime": change.now + length}
        change.become("Starting")
    return {"InferenceExperimentArn": record.arn}


@operation("StopInferenceExperiment")
def stop_experiment(ctx: Context, request: Request) -> Request:
    record = find(ctx, EXPERIMENT, request)
    desired = request.get("DesiredModelVariants", [])
    check_models(ctx, desired)
    with edit(ctx, record) as change:
        if found := configs.problem(change.record.spec, request["ModelVariantActions"]):
            raise ValidationException(found)
        change.become(
            "Stopping",
            Actions=request["ModelVariantActions"],
            Desired=desired,
            End=request.get("DesiredState", "Completed"),
            StatusReason=request.get("Reason"),
        )
        _next_configuration(change)
    return {"InferenceExperimentArn": record.arn}


@operation("UpdateInferenceExperiment")
def update_experiment(ctx: Context, request: Request) -> Request:
    """Of one that runs, the endpoint follows; its start cannot be changed any more."""
    record = find(ctx, EXPERIMENT, request)
    with edit(ctx, record) as change:
        if change.record.status not in ("Created", "Running"):
            raise refused(EXPERIMENT, change.record, "Updating")
        deployed = _amend(ctx, change, request)
        if deployed and change.record.status == "Running":
            check_variants(ctx, change.record.spec)
            change.become("Updating")
            _next_configuration(change)
        change.due_now()
    return {"InferenceExperimentArn": record.arn}


@operation("DeleteInferenceExperiment")
def delete_experiment(ctx: Context, request: Request) -> Request:
    """Of the experiment alone: its endpoint stays as it is."""
    record = find(ctx, EXPERIMENT, request)
    with ctx.need(Store).write():
        fresh = ctx.need(Store).locked(record.id)
        if fresh is not None and fresh.status not in (*FINAL, "Created"):
            message = f"Inference experiment {record.name} is {fresh.status} and cannot be deleted: stop it first."
            raise AwsError(message, code="ConflictException", status=400)
        remove(ctx, record)
    return {"InferenceExperimentArn": record.arn}


def _amend(ctx: Context, change: Edit, request: Request) -> bool:
    """Whether the endpoint has to follow."""
    spec = change.record.spec
    if given := request.get("Schedule"):
        if "StartTime" in given and change.record.status == "Running":
            raise ValidationException("The StartTime of an inference experiment that runs cannot be changed.")
        spec["Schedule"] = schedule(ctx, {**spec["Schedule"], **given}, change.record.created)
    if "Description" in request:
        spec["Description"] = request["Description"]
    followed = [name for name in ("ModelVariants", "DataStorageConfig", "ShadowModeConfig") if name in request]
    spec.update({name: request[name] for name in followed})
    if followed:
        check_variants(ctx, spec)
    return bool(followed)


def _next_configuration(change: Edit) -> None:
    """The endpoint is to get another one."""
    state = change.record.state
    if state.get("Version"):
        state["Version"] += 1
