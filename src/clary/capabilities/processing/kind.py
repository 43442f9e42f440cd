"""The processing job as a resource: its machine, and what Describe shows beyond the request."""

from collections.abc import Iterator
from typing import Any

from clary.capabilities.instances.quota import Held, Holding
from clary.capabilities.processing.admit import admit, ahead
from clary.capabilities.processing.plan import cluster
from clary.resources.kinds import Kind, View
from clary.resources.machine import Machine
from clary.resources.records import Record

FINAL = ("Completed", "Failed", "Stopped")


def _resources(view: View) -> dict[str, Any]:
    """With the type that was chosen, where the request gave several."""
    resources: dict[str, Any] = view.record.spec["ProcessingResources"]
    return resources | {"ClusterConfig": resources["ClusterConfig"] | view.record.state.get("Selected", {})}


def held(record: Record) -> Iterator[Held]:
    chosen = cluster(record)
    yield "processing", chosen["InstanceType"], chosen["InstanceCount"]


PROCESSING_JOB = Kind(
    noun="ProcessingJob",
    arn="processing-job/{ProcessingJobName}",
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
    computed={"ProcessingResources": _resources},
    ahead=ahead,
    admit=admit,
    guard=Holding(("InProgress", "Stopping"), held),
    missing=("ValidationException", "Requested resource not found."),
    exists=(
        "ResourceInUse",
        "Processing job names must be unique within an AWS account and region, and a processing job with this name "
        "already exists ({arn})",
    ),
    refused=("ValidationException", "The request was rejected because the processing job is in status {status}."),
)
