"""What the common verbs cannot say: a job keeps the model as it was, and can be stopped."""

from typing import Any

from clary.capabilities.transform.admit import found_model
from clary.capabilities.transform.kind import MODEL, TRANSFORM_JOB
from clary.resources.edit import edit
from clary.resources.refusals import refused
from clary.resources.verbs import create, find
from clary.wire.context import Context
from clary.wire.operations import Request, Response, operation


@operation("CreateTransformJob")
def create_transform_job(ctx: Context, request: dict[str, Any]) -> Response:
    """The model may be deleted while the job runs."""
    model = found_model(ctx, request).spec
    return {"TransformJobArn": create(ctx, TRANSFORM_JOB, request, **{MODEL: model}).arn}


@operation("StopTransformJob")
def stop(ctx: Context, request: Request) -> Response:
    """Visible as Stopping at once; the reconciler ends the processes. Stopping twice is one stop."""
    record = find(ctx, TRANSFORM_JOB, request)
    with edit(ctx, record) as change:
        if change.record.status == "InProgress":
            change.become("Stopping", message="Stopping the transform job")
        elif change.record.status != "Stopping":
            raise refused(TRANSFORM_JOB, change.record, "Stopping")
    return {}
