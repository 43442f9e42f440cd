"""Target tracking as alarms: which metric is held to its target, and the two alarms that watch it, as AWS makes them.

AWS's periods are a minute: three above the target scale out, fifteen below nine tenths of it scale in. Those of metrics
of high resolution are ten seconds: three again, and as many as fifteen minutes have. The setting
`scaling_period_seconds` makes the periods shorter, so that a test or a laptop need not wait a quarter of an hour.
"""

import math
from typing import Any, NamedTuple

from clary.wire.errors import NotBuilt, ValidationException

Spec = dict[str, Any]

OUT_PERIODS = 3
IN_MINUTES, IN_SHARE = 15, 0.9
"""How long, and how far below the target, before there are fewer."""
MINUTE = 60


class Metric(NamedTuple):
    dimension: str
    name: str
    statistic: str
    period: int = MINUTE


PREDEFINED = {
    "SageMakerVariantInvocationsPerInstance": Metric(
        "sagemaker:variant:DesiredInstanceCount", "InvocationsPerInstance", "Sum"
    ),
    "SageMakerVariantConcurrentRequestsPerModelHighResolution": Metric(
        "sagemaker:variant:DesiredInstanceCount", "ConcurrentRequestsPerModel", "Maximum", 10
    ),
    "SageMakerVariantProvisionedConcurrencyUtilization": Metric(
        "sagemaker:variant:DesiredProvisionedConcurrency", "ServerlessProvisionedConcurrencyUtilization", "Maximum"
    ),
    "SageMakerInferenceComponentInvocationsPerCopy": Metric(
        "sagemaker:inference-component:DesiredCopyCount", "InvocationsPerCopy", "Sum"
    ),
    "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution": Metric(
        "sagemaker:inference-component:DesiredCopyCount", "ConcurrentRequestsPerCopy", "Maximum", 10
    ),
}
"""By PredefinedMetricType."""


def watched(scope: Spec, config: Spec, dimensions: dict[str, str]) -> tuple[Spec, int]:
    """The members of an alarm that say what it watches, and its period in seconds. Raises ValidationException."""
    predefined, customized = config.get("PredefinedMetricSpecification"), config.get("CustomizedMetricSpecification")
    if (predefined is None) == (customized is None):
        raise ValidationException(
            "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be specified."
        )
    if predefined is None:
        return _customized(customized or {}), MINUTE
    metric = PREDEFINED.get(predefined["PredefinedMetricType"])
    if metric is None or metric.dimension != scope["ScalableDimension"]:
        raise ValidationException(
            f"The predefined metric type {predefined['PredefinedMetricType']} cannot be used with the scalable "
            f"dimension {scope['ScalableDimension']}."
        )
    named = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    shared = {"Namespace": "AWS/SageMaker", "MetricName": metric.name, "Dimensions": named}
    return shared | {"Statistic": metric.statistic}, metric.period


def _customized(given: Spec) -> Spec:
    if "Metrics" in given:
        if len(given) > 1:
            raise ValidationException("Metrics cannot be used with the other members of CustomizedMetricSpecification.")
        return {"Metrics": given["Metrics"]}
    if missing := [name for name in ("MetricName", "Namespace", "Statistic") if name not in given]:
        raise ValidationException(f"CustomizedMetricSpecification must have {', '.join(missing)}.")
    return {"Dimensions": [], **given}


def alarm_pair(config: Spec, metric: Spec, period: int, minute: int) -> tuple[Spec, Spec | None]:
    """The alarms for more and for fewer, without names; None for fewer where that is switched off.

    `minute` is how many seconds one has.
    """
    target, stated = config["TargetValue"], _with_period(metric, max(1, period * minute // MINUTE))
    out = stated | _rule("GreaterThanThreshold", target, OUT_PERIODS)
    if config.get("DisableScaleIn"):
        return out, None
    return out, stated | _rule("LessThanThreshold", target * IN_SHARE, IN_MINUTES * MINUTE // period)


def _rule(comparison: str, threshold: float, periods: int) -> Spec:
    return {"ComparisonOperator": comparison, "Threshold": threshold, "EvaluationPeriods": periods}


def _with_period(metric: Spec, seconds: int) -> Spec:
    if "Metrics" not in metric:
        return metric | {"Period": seconds}
    queries = [
        query | ({"MetricStat": query["MetricStat"] | {"Period": seconds}} if "MetricStat" in query else {})
        for query in metric["Metrics"]
    ]
    return {"Metrics": queries}


def check(config: Spec) -> None:
    """Raises ValidationException."""
    if not 0 < config["TargetValue"] < math.inf:
        raise ValidationException("TargetValue must be greater than 0.")
    for name in ("ScaleOutCooldown", "ScaleInCooldown"):
        if config.get(name, 0) < 0:
            raise ValidationException(f"{name} must not be negative.")


def refuse_predictive(policy_type: str) -> None:
    if policy_type == "PredictiveScaling":
        raise NotBuilt("Predictive scaling is not supported; AWS has it for ECS only.")
