"""CloudWatch metrics: what jobs measure and endpoints count.

Values are kept raw for three hours and then ever coarser (`rollup.py`), up to 15 months.
"""

from clary.companions.cloudwatch import api
from clary.companions.cloudwatch.store import MetricStore
from clary.resources.capability import Capability
from clary.wire.operations import Operation

CAPABILITY = Capability(
    name="cloudwatch", operations=tuple(value for value in vars(api).values() if isinstance(value, Operation))
)

__all__ = ["CAPABILITY", "MetricStore"]
