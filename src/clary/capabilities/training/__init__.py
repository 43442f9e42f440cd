"""Training jobs: see README.md."""

from clary.capabilities.training.api import stop, update
from clary.capabilities.training.kind import TRAINING_JOB
from clary.capabilities.training.reconcile import TrainingReconciler
from clary.resources.capability import Capability

TRAINING = Capability("training", kinds=(TRAINING_JOB,), operations=(stop, update), reconcilers=(TrainingReconciler(),))
