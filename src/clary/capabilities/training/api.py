"""What the common verbs cannot say of training jobs."""

from clary.capabilities.training.kind import TRAINING_JOB, secondary_status
from clary.resources.edit import edit
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
    """Profiler and remote debugging settings of a job that has not ended."""
    record = find(ctx, TRAINING_JOB, request)
    with edit(ctx, record) as change:
        if change.record.status != "InProgress" or secondary_status(change.record) == "Uploading":
            raise refused(TRAINING_JOB, change.record, "InProgress")
        if "ResourceConfig" in request:
            raise ValidationException("KeepAlivePeriodInSeconds cannot be changed: the training job has no warm pool.")
        change.record.spec.update({name: request[name] for name in UPDATABLE if name in request})
    return answer(ctx, TRAINING_JOB, change.record)
