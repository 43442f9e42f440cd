"""What a trial showed, as AWS reports it. Pure.

The step that counts is the fastest of those that met the job's latency threshold and whose calls did not fail.
"""

import math
from typing import Any

from clary.capabilities.recommendations.trials import Outcome, Step, Trial
from clary.catalogue import types

FAILED_PART = 0.01
"""A step of which more calls failed shows nothing that an endpoint can be expected to do."""

Members = dict[str, Any]


def percentile(conditions: Members) -> tuple[str, float | None]:
    """The percentile that counts as the latency, and the most it may be in milliseconds."""
    threshold: Members = next(iter(conditions.get("ModelLatencyThresholds") or ()), {})
    return threshold.get("Percentile") or "P95", threshold.get("ValueInMilliseconds")


def latency(step: Step, name: str) -> float:
    return {"P50": step.p50, "P99": step.p99}.get(name.upper(), step.p95)


def best(outcome: Outcome, conditions: Members) -> Step | None:
    name, most = percentile(conditions)
    good = [each for each in outcome.steps if each.answered and each.errors <= FAILED_PART * each.answered]
    met = [each for each in good if most is None or latency(each, name) <= most]
    return max(met, key=lambda each: each.rate, default=None)


def why_none(outcome: Outcome, conditions: Members) -> str:
    """FailureReason of a trial without such a step."""
    if outcome.trouble and not any(each.answered for each in outcome.steps):
        return f"The endpoint did not answer the sample payload: {outcome.trouble}"[:1024]
    name, most = percentile(conditions)
    if outcome.trouble:
        return f"Calls failed at every number of users: {outcome.trouble}"[:1024]
    return f"{name} of the model's latency was above {most} ms at every number of users."


def metrics(trial: Trial, step: Step, conditions: Members, region: str) -> Members:
    """RecommendationMetrics: only what is known. `MaxInvocations` is a minute's, `ModelLatency` whole milliseconds."""
    found: Members = {
        "MaxInvocations": int(step.rate * 60),
        "ModelLatency": math.ceil(latency(step, percentile(conditions)[0])),
    }
    known = types.find(trial.instance_type)
    price = types.price(known, "hosting", region) if known else None
    if price:
        found |= {"CostPerHour": price.usd, "CostPerInference": price.usd / max(step.rate * 3600, 1e-9)}
    if trial.cpu_percent is not None:
        found["CpuUtilization"] = round(trial.cpu_percent, 2)
    if trial.memory_percent is not None:
        found["MemoryUtilization"] = round(trial.memory_percent, 2)
    return found


def endpoint_configuration(trial: Trial) -> Members:
    """EndpointOutputConfiguration; the variant of ours has the endpoint's name, as AWS's has."""
    named: Members = {"EndpointName": trial.endpoint, "VariantName": trial.endpoint}
    if trial.serverless:
        return named | {"ServerlessConfig": trial.serverless}
    return named | {"InstanceType": trial.instance_type, "InitialInstanceCount": 1}


def model_configuration(trial: Trial) -> Members:
    parameters = [{"Key": key, "ValueType": "String", "Value": value} for key, value in trial.environment.items()]
    return {"EnvironmentParameters": parameters} if parameters else {}
