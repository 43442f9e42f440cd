"""The transform job as a resource."""

from collections.abc import Iterator

from clary.capabilities.instances.quota import Held, Holding
from clary.capabilities.jobs.kind import KEPT, MISSING, words
from clary.capabilities.transform.admit import admit
from clary.resources.kinds import Kind
from clary.resources.records import Record

MODEL = "Model"
"""State: the model's spec, as it was when the job was created."""


def held(record: Record) -> Iterator[Held]:
    resources = record.spec["TransformResources"]
    yield "transform", resources["InstanceType"], resources["InstanceCount"]


TRANSFORM_JOB = Kind(
    noun="TransformJob",
    arn="transform-job/{TransformJobName}",
    machine=KEPT,
    verbs="describe list stop",
    moves={"stop": "Stopping"},
    admit=admit,
    guard=Holding(("InProgress", "Stopping"), held),
    missing=MISSING,
    **words("transform job"),
)
