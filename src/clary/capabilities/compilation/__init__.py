"""Compilation jobs (Neo): see README.md."""

from clary.capabilities.compilation.edge import EDGE_PACKAGING_JOB, EdgePackaging
from clary.capabilities.compilation.kind import COMPILATION_JOB
from clary.capabilities.compilation.reconcile import Work
from clary.capabilities.jobs.reconcile import JobReconciler
from clary.resources.capability import Capability

COMPILATION = Capability(
    "compilation",
    kinds=(COMPILATION_JOB, EDGE_PACKAGING_JOB),
    reconcilers=(JobReconciler(COMPILATION_JOB, Work), EdgePackaging()),
)
