"""The transform job as a resource."""

from collections.abc import Iterator

from clary.capabilities.instances.quota import Held, Holding
from clary.capabilities.transform.admit import admit
from clary.resources.kinds import Kind
from clary.resources.machine import Machine
from clary.resources.records import Record

FINAL = ("Completed", "Failed", "Stopped")
MODEL = "Model"
"""State: the model's spec, as it was when the job was created."""


def held(record: Record) -> Iterator[Held]:
    resources = record.spec["TransformResources"]
    yield "transform", resources["InstanceType"], resources["InstanceCount"]


TRANSFORM_JOB = Kind(
    noun="TransformJob",
    arn="transform-job/{TransformJobName}",
    machine=Machine(
        start="InProgress",
        edges={
            "InProgress": frozenset({"Completed", "Failed", "Stopping", "Stopped"}),
            "Stopping": frozenset({"Stopped", "Failed"}),
        },
    ),
    verbs="describe list",
    admit=admit,
    guard=Holding(("InProgress", "Stopping"), held),
    missing=("ValidationException", "Requested resource not found."),
    exists=(
        "ResourceInUse",
        "Transform job names must be unique within an AWS account and region, and a transform job with this name "
        "already exists ({arn})",
    ),
    refused=("ValidationException", "The request was rejected because the transform job is in status {status}."),
)
