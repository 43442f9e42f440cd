"""Processing jobs: see README.md."""

from clary.capabilities.processing.kind import PROCESSING_JOB
from clary.capabilities.processing.reconcile import ProcessingReconciler
from clary.resources.capability import Capability

PROCESSING = Capability("processing", kinds=(PROCESSING_JOB,), reconcilers=(ProcessingReconciler(),))
