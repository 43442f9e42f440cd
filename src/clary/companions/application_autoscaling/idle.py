"""Zeros for what is not called: without them, no alarm of an idle endpoint would ever call for fewer.

AWS documents it so: where traffic becomes zero, SageMaker emits metrics with a value of zero.
"""

from clary.companions.application_autoscaling.scalable import Capacity, Scalable
from clary.companions.cloudwatch.store import MetricStore
from clary.resources.records import Record
from clary.resources.store import Store
from clary.wire.context import Parts

NAMESPACE = "AWS/SageMaker"


def keep_measured(parts: Parts, policy: Record, scalable: Scalable, capacity: Capacity) -> bool:
    """Whether there is such a metric. It is looked at as sum or maximum, which a zero more does not change."""
    dimensions = scalable.dimensions(policy.spec["ResourceId"])
    if not scalable.idle_metric or not dimensions or not capacity.current:
        return False
    store = parts.need(Store)
    zero = (scalable.idle_metric, dimensions, 0.0, store.now())
    parts.need(MetricStore).put(policy.account, policy.region, NAMESPACE, [zero])
    return True
