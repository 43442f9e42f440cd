"""Processing jobs: see README.md."""

from clary.capabilities.jobs.reconcile import JobReconciler
from clary.capabilities.processing.kind import PROCESSING_JOB
from clary.capabilities.processing.reconcile import Work
from clary.resources.capability import Capability

PROCESSING = Capability("processing", kinds=(PROCESSING_JOB,), reconcilers=(JobReconciler(PROCESSING_JOB, Work),))
