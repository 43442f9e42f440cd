"""A trial's load test as a workload of its own: the requests that make its endpoint, and what calls it. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clary.capabilities.recommendations import figures, traffic
from clary.capabilities.recommendations.trials import Trial, workload
from clary.resources.records import Record
from clary.runtime.workload import Instance, Limits, Workload

HOST = "algo-1"
ASK = "/opt/ml/input/config/load.json"
PAYLOADS = "/opt/ml/input/payload"
OUTPUT = "/opt/ml/output"
OUTCOME = "outcome.json"
LOG_GROUP = "/aws/sagemaker/InferenceRecommendationsJobs"
SPARE_SECONDS = 300
MEMORY_BYTES = 2 * 1024**3

Request = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Site:
    """What a load test needs that its job does not say; `payload` is an archive of this machine."""

    wake: str
    log: str
    endpoint: str
    payload: str
    credentials: Mapping[str, str]


def load_test(record: Record, trial: Trial, site: Site) -> Workload:
    ask = _ask(record, trial, site)
    longest = sum(seconds for _, seconds in ask["steps"]) + SPARE_SECONDS
    return Workload(
        id=workload(record.id, trial),
        key=record.id,
        wake=site.wake,
        image="",
        purpose="process",
        entrypoint=("python", "-m", "clary.serving.load", ASK, f"{OUTPUT}/{OUTCOME}"),
        environment=site.credentials,
        folders=(OUTPUT,),
        instances=(
            Instance(host=HOST, log=site.log, files={ASK: json.dumps(ask).encode()}, unpacked={PAYLOADS: site.payload}),
        ),
        limits=Limits(memory_bytes=MEMORY_BYTES, run_seconds=int(longest), grace_seconds=30.0),
        endpoint=site.endpoint,
    )


def _ask(record: Record, trial: Trial, site: Site) -> Request:
    config = record.spec["InputConfig"]
    conditions = record.spec.get("StoppingConditions", {})
    container = config["ContainerConfig"]
    percentile, most = figures.percentile(conditions)
    return {
        "url": site.endpoint,
        "path": f"/endpoints/{trial.endpoint}/invocations",
        "region": record.region,
        "payloads": PAYLOADS,
        "content_type": container["PayloadConfig"]["SupportedContentTypes"][0],
        "accept": next(iter(container.get("SupportedResponseMIMETypes", [])), ""),
        "steps": traffic.steps(config),
        "max_per_minute": conditions.get("MaxInvocations"),
        "percentile": int(percentile[1:]) / 100,
        "max_milliseconds": most,
        "stop_when_flat": conditions.get("FlatInvocations", "Stop") == "Stop",
    }


def log_stream(record: Record, trial: Trial) -> str:
    return f"{record.name}/{trial.number}-{trial.instance_type or ('serverless' if trial.own else trial.endpoint)}"


def model(record: Record, trial: Trial, spec: Request) -> Request:
    """CreateModel for a trial whose variables differ from the model's; `spec` is the model's."""

    def changed(container: Request) -> Request:
        return container | {"Environment": container.get("Environment", {}) | trial.environment}

    made = spec | {"ModelName": trial.endpoint}
    if "PrimaryContainer" in made:
        made["PrimaryContainer"] = changed(made["PrimaryContainer"])
    if made.get("Containers"):
        made["Containers"] = [changed(each) for each in made["Containers"]]
    return made


def endpoint_config(record: Record, trial: Trial) -> Request:
    config = record.spec["InputConfig"]
    variant: Request = {
        "VariantName": trial.endpoint,
        "ModelName": trial.endpoint if trial.environment else config["ModelName"],
    }
    if trial.serverless:
        variant["ServerlessConfig"] = trial.serverless
    else:
        variant |= {"InstanceType": trial.instance_type, "InitialInstanceCount": 1}
    key = {"KmsKeyId": config["VolumeKmsKeyId"]} if config.get("VolumeKmsKeyId") else {}
    return {"EndpointConfigName": trial.endpoint, "ProductionVariants": [variant], **key}
