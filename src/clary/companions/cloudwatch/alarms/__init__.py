"""CloudWatch alarms on metrics and on other alarms, really evaluated by the controller, and what they do on changing.

`states` and `entered` are for whoever rolls back on alarms, `put` and `delete` for who makes alarms of its own.
"""

from clary.companions.cloudwatch.alarms import api, describing, tagging
from clary.companions.cloudwatch.alarms.api import delete, put
from clary.companions.cloudwatch.alarms.history import entered
from clary.companions.cloudwatch.alarms.kind import ALARM, acting, arn, naming, states
from clary.companions.cloudwatch.alarms.measure import recent
from clary.companions.cloudwatch.alarms.putting import check
from clary.companions.cloudwatch.alarms.reconcile import AlarmReconciler
from clary.companions.cloudwatch.alarms.transition import delivered
from clary.wire.operations import Operation

OPERATIONS = tuple(
    value for module in (api, describing, tagging) for value in vars(module).values() if isinstance(value, Operation)
)

__all__ = [
    "ALARM",
    "OPERATIONS",
    "AlarmReconciler",
    "acting",
    "arn",
    "check",
    "delete",
    "delivered",
    "entered",
    "naming",
    "put",
    "recent",
    "states",
]
