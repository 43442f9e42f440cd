"""Compilation jobs (Neo): see README.md."""

from clary.capabilities.compilation import edge
from clary.capabilities.compilation.kind import COMPILATION_JOB
from clary.capabilities.compilation.reconcile import Work
from clary.capabilities.jobs.reconcile import JobReconciler
from clary.resources.capability import Capability

COMPILATION = Capability(
    "compilation",
    kinds=(COMPILATION_JOB,),
    operations=(edge.create,),
    reconcilers=(JobReconciler(COMPILATION_JOB, Work),),
)
