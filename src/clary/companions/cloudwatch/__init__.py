"""CloudWatch: what jobs measure and endpoints count, and alarms on it.

Values are kept raw for three hours and then ever coarser (`rollup.py`), up to 15 months.
"""

from clary.companions.cloudwatch import alarms, api
from clary.companions.cloudwatch.store import MetricStore
from clary.companions.sns import MESSAGE, MessageReconciler
from clary.resources.capability import Capability
from clary.wire.operations import Operation

CAPABILITY = Capability(
    name="cloudwatch",
    kinds=(alarms.ALARM, MESSAGE),
    operations=(*(value for value in vars(api).values() if isinstance(value, Operation)), *alarms.OPERATIONS),
    reconcilers=(alarms.AlarmReconciler(), MessageReconciler(alarms.delivered)),
)

__all__ = ["CAPABILITY", "MetricStore"]
