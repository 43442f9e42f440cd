"""Inference Recommender: see README.md."""

from clary.capabilities.recommendations.api import steps
from clary.capabilities.recommendations.kind import RECOMMENDATIONS_JOB
from clary.capabilities.recommendations.reconcile import RecommendationsReconciler
from clary.resources.capability import Capability

RECOMMENDATIONS = Capability(
    "recommendations",
    kinds=(RECOMMENDATIONS_JOB,),
    operations=(steps,),
    reconcilers=(RecommendationsReconciler(),),
)
