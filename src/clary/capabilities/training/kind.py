"""The training job as a resource: its machine, and what Describe shows beyond the request."""

from collections.abc import Iterator
from math import ceil
from typing import Any

from clary.capabilities.instances.quota import Held, Holding
from clary.capabilities.training.admit import admit, ahead
from clary.capabilities.training.places import model_artifacts
from clary.resources.kinds import Kind, View
from clary.resources.machine import Machine
from clary.resources.records import Event, Record

FIRST_MESSAGE = "Starting the training job"
FINAL = ("Completed", "Failed", "Stopped")


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


def training_seconds(record: Record) -> int | None:
    """Whole seconds between start and end, at least one: the SDK divides by it."""
    start, end = record.state.get("TrainingStartTime"), record.state.get("TrainingEndTime")
    return None if start is None or end is None else max(1, ceil(end - start))


def held(record: Record) -> Iterator[Held]:
    """Its instances, of each group."""
    config = record.spec["ResourceConfig"]
    usage = "spot" if record.spec.get("EnableManagedSpotTraining") else "training"
    for group in config.get("InstanceGroups") or [config]:
        yield usage, group["InstanceType"], group["InstanceCount"]


def _output(view: View) -> dict[str, Any]:
    # `Estimator.attach` indexes KmsKeyId without looking.
    return {"KmsKeyId": "", "CompressionType": "GZIP", **view.record.spec["OutputDataConfig"]}


def _artifacts(view: View) -> dict[str, Any]:
    return {"S3ModelArtifacts": model_artifacts(view.record)}


TRAINING_JOB = Kind(
    noun="TrainingJob",
    arn="training-job/{TrainingJobName}",
    machine=Machine(
        start="InProgress",
        edges={
            "InProgress": frozenset({"Completed", "Failed", "Stopping", "Stopped"}),
            "Stopping": frozenset({"Stopped", "Failed"}),
            "Completed": frozenset({"Deleting"}),
            "Failed": frozenset({"Deleting"}),
            "Stopped": frozenset({"Deleting"}),
        },
    ),
    verbs="create describe list delete",
    moves={"delete": "Deleting"},
    computed={
        "SecondaryStatus": lambda view: secondary_status(view.record),
        "SecondaryStatusTransitions": lambda view: transitions(view.events()),
        "OutputDataConfig": _output,
        "ModelArtifacts": _artifacts,
        "TrainingTimeInSeconds": lambda view: training_seconds(view.record),
        "BillableTimeInSeconds": lambda view: training_seconds(view.record),
        "ProfilingStatus": lambda _: "Disabled",
    },
    filters={
        # Neither exists here yet, so no job has one.
        "WarmPoolStatusEquals": lambda record, value: False,
        "TrainingPlanArnEquals": lambda record, value: False,
    },
    ahead=ahead,
    admit=admit,
    guard=Holding(("InProgress", "Stopping"), held),
    missing=("ValidationException", "Requested resource not found."),
    exists=(
        "ResourceInUse",
        "Training job names must be unique within an AWS account and region, and a training job with this name "
        "already exists ({arn})",
    ),
    refused=("ValidationException", "The request was rejected because the training job is in status {status}."),
)
