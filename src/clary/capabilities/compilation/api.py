"""What the common verbs cannot say of compilation jobs."""

from clary.capabilities.compilation.kind import COMPILATION_JOB
from clary.resources.edit import edit
from clary.resources.refusals import refused
from clary.resources.verbs import find
from clary.wire.context import Context
from clary.wire.operations import Request, Response, operation


@operation("StopCompilationJob")
def stop(ctx: Context, request: Request) -> Response:
    """Visible as STOPPING at once; the reconciler ends the processes. Stopping twice is one stop."""
    record = find(ctx, COMPILATION_JOB, request)
    with edit(ctx, record) as change:
        if change.record.status in ("STARTING", "INPROGRESS"):
            change.become("STOPPING", message="Stopping the compilation job")
        elif change.record.status != "STOPPING":
            raise refused(COMPILATION_JOB, change.record, "STOPPING")
    return {}
