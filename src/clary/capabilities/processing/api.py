"""What the common verbs cannot say of processing jobs."""

from clary.capabilities.processing.kind import PROCESSING_JOB
from clary.resources.edit import edit
from clary.resources.refusals import refused
from clary.resources.verbs import find
from clary.wire.context import Context
from clary.wire.operations import Request, Response, operation


@operation("StopProcessingJob")
def stop(ctx: Context, request: Request) -> Response:
    """Visible as Stopping at once; the reconciler ends the processes. Stopping twice is one stop."""
    record = find(ctx, PROCESSING_JOB, request)
    with edit(ctx, record) as change:
        if change.record.status == "InProgress":
            change.become("Stopping", message="Stopping the processing job")
        elif change.record.status != "Stopping":
            raise refused(PROCESSING_JOB, change.record, "Stopping")
    return {}
