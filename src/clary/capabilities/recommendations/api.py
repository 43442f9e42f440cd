"""What the common verbs cannot say: the steps, which are the trials of a job."""

from typing import Any

from clary.capabilities.recommendations import figures, trials
from clary.capabilities.recommendations.decide import STOPPED
from clary.capabilities.recommendations.kind import RECOMMENDATIONS_JOB, recommendation
from clary.capabilities.recommendations.trials import Trial
from clary.resources.records import Record
from clary.resources.verbs import find
from clary.wire.context import Context
from clary.wire.errors import ValidationException
from clary.wire.operations import Request, Response, operation

PAGE = 10


@operation("ListInferenceRecommendationsJobSteps")
def steps(ctx: Context, request: Request) -> Response:
    """In the order in which they are made; a token is the number of the next."""
    record = find(ctx, RECOMMENDATIONS_JOB, request)
    shown = [shown_step(record, trial) for trial in trials.load(record.state)]
    wanted = [each for each in shown if request.get("Status") in (None, each["Status"])]
    begin = _begin(request.get("NextToken"), len(wanted))
    end = begin + request.get("MaxResults", PAGE)
    return {"Steps": wanted[begin:end], **({"NextToken": str(end)} if end < len(wanted) else {})}


def shown_step(record: Record, trial: Trial) -> dict[str, Any]:
    benchmark: dict[str, Any] = {"ModelConfiguration": figures.model_configuration(trial)}
    if trial.own:
        benchmark["EndpointConfiguration"] = figures.endpoint_configuration(trial)
    if trial.failure:
        benchmark["FailureReason"] = trial.failure
    for name, at in (("InvocationStartTime", trial.begun), ("InvocationEndTime", trial.over)):
        if at:
            benchmark[name] = at
    if found := recommendation(record, trial):
        metrics = found["Metrics"]
        named = {name: metrics[name] for name in ("MaxInvocations", "ModelLatency")}
        benchmark |= {"Metrics": metrics} if trial.own else {"EndpointMetrics": named}
    status = _status(record, trial)
    return {"StepType": "BENCHMARK", "JobName": record.name, "Status": status, "InferenceBenchmark": benchmark}


def _status(record: Record, trial: Trial) -> str:
    if trial.phase == "ended":
        return "STOPPED" if trial.failure == STOPPED else "FAILED" if trial.failure else "COMPLETED"
    if record.status == "STOPPING":
        return "STOPPING"
    return "PENDING" if trial.phase == "waiting" else "IN_PROGRESS"


def _begin(token: str | None, count: int) -> int:
    if token is None:
        return 0
    if not token.isdigit() or int(token) > count:
        raise ValidationException("Invalid NextToken.")
    return int(token)
