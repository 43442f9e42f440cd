"""What the common verbs cannot say: a job keeps the model as it was."""

from typing import Any

from clary.capabilities.transform.admit import found_model
from clary.capabilities.transform.kind import MODEL, TRANSFORM_JOB
from clary.resources.verbs import create
from clary.wire.context import Context
from clary.wire.operations import Response, operation


@operation("CreateTransformJob")
def create_transform_job(ctx: Context, request: dict[str, Any]) -> Response:
    """The model may be deleted while the job runs."""
    model = found_model(ctx, request).spec
    return {"TransformJobArn": create(ctx, TRANSFORM_JOB, request, **{MODEL: model}).arn}
