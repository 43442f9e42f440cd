"""How lists are sorted: AWS's names for the orders, and each operation's documented default."""

from clary.resources.kinds import Kind
from clary.resources.query import Sort
from clary.wire.errors import NotBuilt

BY_NAME = frozenset(
    {
        "ListAutoMLJobs",
        "ListCodeRepositories",
        "ListHyperParameterTuningJobs",
        "ListNotebookInstances",
        "ListTrainingJobsForHyperParameterTuningJob",
    }
)
"""Documented as sorted by name unless told otherwise; all others by creation time."""

DESCENDING = frozenset(
    {
        "ListAIBenchmarkJobs",
        "ListAIRecommendationJobs",
        "ListAIWorkloadConfigs",
        "ListActions",
        "ListAppImageConfigs",
        "ListArtifacts",
        "ListAssociations",
        "ListAutoMLJobs",
        "ListClusterEvents",
        "ListClusterOperations",
        "ListClusterSchedulerConfigs",
        "ListComputeQuotas",
        "ListContexts",
        "ListDataQualityJobDefinitions",
        "ListEndpointConfigs",
        "ListEndpoints",
        "ListExperiments",
        "ListImageVersions",
        "ListImages",
        "ListInferenceComponents",
        "ListMlflowApps",
        "ListMlflowTrackingServers",
        "ListModelBiasJobDefinitions",
        "ListModelExplainabilityJobDefinitions",
        "ListModelQualityJobDefinitions",
        "ListModels",
        "ListMonitoringAlertHistory",
        "ListMonitoringExecutions",
        "ListMonitoringSchedules",
        "ListStudioLifecycleConfigs",
        "ListTransformJobs",
        "ListTrialComponents",
        "ListTrials",
    }
)
"""Documented as descending unless told otherwise; the documentation says ascending, or nothing, for all others."""

_SORTS: dict[str, Sort] = {
    "creationtime": "created",
    "createdate": "created",
    "createdtime": "created",
    "version": "created",
    "lastmodifiedtime": "modified",
    "name": "name",
    "status": "status",
}


def sort_named(kind: Kind, given: str) -> Sort:
    """AWS spells one order `CreationTime`, `CREATION_TIME` or `CreateDate`, depending on the operation."""
    found = column_sort(kind, given)
    if found is None:
        raise NotBuilt(f"Sorting {kind.plural} by {given} is not available here yet.")
    return found


def column_sort(kind: Kind, given: str) -> Sort | None:
    """The order in which an index answers, if one does."""
    plain = given.replace("_", "").lower()
    own: dict[str, Sort] = {
        kind.name_member.lower(): "name",
        kind.arn_member.lower(): "name",
        kind.status_member.lower(): "status",
    }
    return own.get(plain) or _SORTS.get(plain)


def default_sort(operation: str) -> Sort:
    return "name" if operation in BY_NAME else "created"


def default_order(operation: str) -> str:
    return "Descending" if operation in DESCENDING else "Ascending"
