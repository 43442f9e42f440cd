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
    """Whether there are such metrics. They are looked at as sum or maximum, which a zero more does not change."""
    dimensions = scalable.dimensions(policy.spec["ResourceId"])
    if not scalable.idle_metrics or not dimensions or not capacity.current:
        return False
    store = parts.need(Store)
    zeros = [(name, dimensions, 0.0, store.now()) for name in scalable.idle_metrics]
    parts.need(MetricStore).put(policy.account, policy.region, NAMESPACE, zeros)
    return True
