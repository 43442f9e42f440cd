"""Application Auto Scaling of SageMaker: targets, policies, schedules, and the activities that follow from them.

What is scaled comes from the capabilities, as `Scalables`; what decides is CloudWatch's alarms.
"""

from clary.companions.application_autoscaling import activities, policies, scheduled, targets
from clary.companions.application_autoscaling.fulfilling import ActivityReconciler
from clary.companions.application_autoscaling.kinds import ACTIVITY, POLICY, SCHEDULED_ACTION, TARGET
from clary.companions.application_autoscaling.reconcile import PolicyReconciler, TargetReconciler
from clary.companions.application_autoscaling.scalable import Capacity, Place, Scalable, Scalables
from clary.companions.application_autoscaling.timing import ScheduleReconciler
from clary.resources.capability import Capability
from clary.wire.operations import Operation

CAPABILITY = Capability(
    name="application-autoscaling",
    kinds=(TARGET, POLICY, SCHEDULED_ACTION, ACTIVITY),
    operations=tuple(
        value
        for module in (targets, policies, scheduled, activities)
        for value in vars(module).values()
        if isinstance(value, Operation)
    ),
    reconcilers=(TargetReconciler(), PolicyReconciler(), ScheduleReconciler(), ActivityReconciler()),
)

__all__ = ["CAPABILITY", "Capacity", "Place", "Scalable", "Scalables"]
