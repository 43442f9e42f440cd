"""Batch transform: see README.md."""

from clary.capabilities.jobs.reconcile import JobReconciler
from clary.capabilities.transform.api import create_transform_job
from clary.capabilities.transform.kind import TRANSFORM_JOB
from clary.capabilities.transform.reconcile import Work
from clary.resources.capability import Capability

TRANSFORM = Capability(
    "transform",
    kinds=(TRANSFORM_JOB,),
    operations=(create_transform_job,),
    reconcilers=(JobReconciler(TRANSFORM_JOB, Work),),
)
