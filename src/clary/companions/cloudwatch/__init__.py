"""CloudWatch: what jobs measure and endpoints count, and alarms on it.

Values are kept raw for three hours and then ever coarser (`rollup.py`), up to 15 months.
"""

from clary.companions.cloudwatch import alarms, api
from clary.companions.cloudwatch.store import MetricStore
from clary.resources.capability import Capability
from clary.wire.operations import Operation

CAPABILITY = Capability(
    name="cloudwatch",
    kinds=(alarms.ALARM,),
    operations=(*(value for value in vars(api).values() if isinstance(value, Operation)), *alarms.OPERATIONS),
    reconcilers=(alarms.AlarmReconciler(),),
)

__all__ = ["CAPABILITY", "MetricStore"]
