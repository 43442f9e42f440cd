"""The training job as a resource: its machine, and what Describe shows beyond the request."""

from collections.abc import Iterator
from typing import Any

from clary.capabilities.instances.quota import Held, Holding
from clary.capabilities.jobs.kind import DELETABLE, FINAL, MISSING, words
from clary.capabilities.training import runs, warm
from clary.capabilities.training.admit import admit, ahead
from clary.capabilities.training.places import model_artifacts
from clary.resources.kinds import Kind, View
from clary.resources.records import Event, Record
from clary.settings import Settings

FIRST_MESSAGE = "Starting the training job"


def secondary_status(record: Record) -> str:
    """AWS's finer status; every transition of the reconciler leaves it in the state."""
    return str(record.state.get("SecondaryStatus", "Starting"))


def transitions(events: list[Event]) -> list[dict[str, Any]]:
    """`SecondaryStatusTransitions`: consecutive events of one secondary status are one entry with the last message."""
    merged: list[dict[str, Any]] = []
    for event in events:
        status = event.detail or "Starting"
        message = event.message or FIRST_MESSAGE
        if merged and merged[-1]["Status"] == status:
            merged[-1]["StatusMessage"] = message
            continue
        if merged:
            merged[-1]["EndTime"] = event.at
        merged.append({"Status": status, "StartTime": event.at, "StatusMessage": message})
    if events and events[-1].status in FINAL:
        merged[-1]["EndTime"] = events[-1].at
    return merged


def held(record: Record) -> Iterator[Held]:
    """Its instances, of each group, and its warm pool."""
    config = record.spec["ResourceConfig"]
    if record.status not in FINAL:
        usage = "spot" if runs.is_spot(record) else "training"
        for group in config.get("InstanceGroups") or [config]:
            yield usage, group["InstanceType"], group["InstanceCount"]
    if warm.status(record) in ("InUse", "Available"):
        yield "warm-pool", config["InstanceType"], config["InstanceCount"]


def _output(view: View) -> dict[str, Any]:
    # `Estimator.attach` indexes KmsKeyId without looking.
    return {"KmsKeyId": "", "CompressionType": "GZIP", **view.record.spec["OutputDataConfig"]}


def _artifacts(view: View) -> dict[str, Any]:
    return {"S3ModelArtifacts": model_artifacts(view.record)}


def _billable(view: View) -> int | None:
    return runs.billable_seconds(view.record, view.ctx.need(Settings).spot_discount)


TRAINING_JOB = Kind(
    noun="TrainingJob",
    arn="training-job/{TrainingJobName}",
    machine=DELETABLE,
    verbs="create describe list delete",
    moves={"delete": "Deleting"},
    computed={
        "SecondaryStatus": lambda view: secondary_status(view.record),
        "SecondaryStatusTransitions": lambda view: transitions(view.events()),
        "OutputDataConfig": _output,
        "ModelArtifacts": _artifacts,
        "TrainingTimeInSeconds": lambda view: runs.training_seconds(view.record),
        "BillableTimeInSeconds": _billable,
        "WarmPoolStatus": lambda view: warm.shown(view.record),
        "ProfilingStatus": lambda _: "Disabled",
    },
    filters={
        "WarmPoolStatusEquals": lambda record, value: warm.status(record) == value,
        # None exists here, so no job has one.
        "TrainingPlanArnEquals": lambda record, value: False,
    },
    ahead=ahead,
    admit=admit,
    guard=Holding(("InProgress", "Stopping"), held, {"warm-pool": FINAL}),
    missing=MISSING,
    **words("training job"),
)
