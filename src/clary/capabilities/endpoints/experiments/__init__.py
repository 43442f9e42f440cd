"""Inference experiments: shadow tests of an endpoint, with a beginning and an end.

An experiment has no instances of its own: it gives its endpoint a configuration with the shadow variant, and at its end
one without or, where the shadow is promoted, one in which it answers. Read `configs.py` (which one, pure), then
`reconcile.py`.
"""

from clary.capabilities.endpoints.experiments.api import (
    delete_experiment,
    start_experiment,
    stop_experiment,
    update_experiment,
)
from clary.capabilities.endpoints.experiments.kind import EXPERIMENT
from clary.capabilities.endpoints.experiments.reconcile import ExperimentReconciler

__all__ = ["EXPERIMENT", "OPERATIONS", "ExperimentReconciler"]

OPERATIONS = (start_experiment, stop_experiment, update_experiment, delete_experiment)
