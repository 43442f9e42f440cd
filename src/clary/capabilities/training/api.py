"""What the common verbs cannot say of training jobs."""

from clary.capabilities.training import warm
from clary.capabilities.training.kind import TRAINING_JOB, secondary_status
from clary.resources.edit import edit
from clary.resources.records import Record
from clary.resources.refusals import refused
from clary.resources.verbs import answer, find
from clary.wire.context import Context
from clary.wire.errors import ValidationException
from clary.wire.operations import Request, Response, operation

UPDATABLE = ("ProfilerConfig", "ProfilerRuleConfigurations", "RemoteDebugConfig")


@operation("StopTrainingJob")
def stop(ctx: Context, request: Request) -> Response:
    """Visible as Stopping at once; the reconciler ends the processes. Stopping twice is one stop."""
    record = find(ctx, TRAINING_JOB, request)
    with edit(ctx, record) as change:
        if change.record.status == "InProgress":
            change.become("Stopping", "Stopping", "Stopping the training job", SecondaryStatus="Stopping")
        elif change.record.status != "Stopping":
            raise refused(TRAINING_JOB, change.record, "Stopping")
    return {}


@operation("UpdateTrainingJob")
def update(ctx: Context, request: Request) -> Response:
    """Profiler and remote debugging settings of a job that has not ended; for how long its warm pool is kept."""
    record = find(ctx, TRAINING_JOB, request)
    with edit(ctx, record) as change:
        if "ResourceConfig" in request:
            _keep_alive(change.record, request["ResourceConfig"]["KeepAlivePeriodInSeconds"])
        given = {name: request[name] for name in UPDATABLE if name in request}
        running = change.record.status == "InProgress" and secondary_status(change.record) != "Uploading"
        if not running and (given or "ResourceConfig" not in request):
            raise refused(TRAINING_JOB, change.record, "InProgress")
        change.record.spec.update(given)
    return answer(ctx, TRAINING_JOB, change.record)


def _keep_alive(record: Record, seconds: int) -> None:
    """0 gives the warm pool up; the reconciler looks at the new end of it."""
    if warm.status(record) not in ("InUse", "Available"):
        raise ValidationException(
            "KeepAlivePeriodInSeconds cannot be changed: the training job has no warm pool that is InUse or Available."
        )
    record.spec["ResourceConfig"]["KeepAlivePeriodInSeconds"] = seconds
