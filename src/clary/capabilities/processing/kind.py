"""The processing job as a resource: its machine, and what Describe shows beyond the request."""

from collections.abc import Iterator
from typing import Any

from clary.capabilities.instances.quota import Held, Holding
from clary.capabilities.jobs.kind import DELETABLE, MISSING, words
from clary.capabilities.processing.admit import admit, ahead
from clary.capabilities.processing.plan import cluster
from clary.resources.kinds import Kind, View
from clary.resources.records import Record


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
    machine=DELETABLE,
    verbs="create describe list stop delete",
    moves={"stop": "Stopping", "delete": "Deleting"},
    computed={"ProcessingResources": _resources},
    ahead=ahead,
    admit=admit,
    guard=Holding(("InProgress", "Stopping"), held),
    missing=MISSING,
    **words("processing job"),
)
