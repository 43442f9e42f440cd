"""From a transform job's record to the workloads that serve its model, and to what the driver of each is told.

A job is one workload for each container of the model, each with all instances of the job: the first has the record's
id, the others share its room.
"""

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from clary.capabilities.model_containers import plan as shared
from clary.capabilities.model_containers import spec as model
from clary.capabilities.model_containers.plan import Placed
from clary.capabilities.transform.kind import MODEL
from clary.capabilities.transform.staging import hosts
from clary.resources.records import Record
from clary.runtime.workload import Workload
from clary.serving.batch.job import Job, Stamp
from clary.serving.batch.parameters import TOLD
from clary.wire.timestamps import write

GRACE_SECONDS = 30.0
LOG_GROUP = "/aws/sagemaker/TransformJobs"


def workloads(record: Record) -> list[str]:
    """Ids, by the number of the model's container."""
    count = len(model.containers(record.state[MODEL]))
    return [model.container_workload(record.id, number) for number in range(count)]


def workload(
    record: Record, number: int, placed: Placed, logs: Mapping[str, str], measure_seconds: float = 0.0
) -> Workload:
    """Of one container. `logs`: files by host."""
    made = shared.workload(record.id, number, record.state[MODEL], placed)
    (one,) = made.instances
    replace = msgspec.structs.replace
    return replace(
        made,
        instances=tuple(replace(one, host=host, log=logs[host]) for host in hosts(record)),
        environment={**made.environment, **environment(record.spec)},
        limits=replace(made.limits, grace_seconds=GRACE_SECONDS),
        # Nobody waits for its start, and its servers have other threads than those of endpoints.
        preloaded=None,
        # One figure for each instance: that of its first container.
        measure_seconds=0.0 if number else measure_seconds,
    )


def environment(spec: Mapping[str, Any]) -> dict[str, str]:
    """What a container of a batch transform job is told beside its own variables; the request's own win."""
    told = {"SAGEMAKER_BATCH": "true"}
    if spec.get("MaxPayloadInMB") is not None:
        told["SAGEMAKER_MAX_PAYLOAD_IN_MB"] = str(spec["MaxPayloadInMB"])
    if spec.get("BatchStrategy"):
        told["SAGEMAKER_BATCH_STRATEGY"] = TOLD[spec["BatchStrategy"]]
    if spec.get("MaxConcurrentTransforms"):
        told["SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"] = str(spec["MaxConcurrentTransforms"])
    return told | dict(spec.get("Environment", {}))


def instance_id(record: Record, host: str) -> str:
    """What the host is called in logs and metrics."""
    return model.instance_id(f"{record.id}-{host}")


def log_stream(record: Record, host: str, container: str = "") -> str:
    stream = f"{record.name}/{instance_id(record, host)}-{int(record.created * 1000)}"
    return f"{stream}/{container}" if container else stream


def job(record: Record, *, sockets: tuple[Path, ...], items: Path, log: Path, wake: str, startup: float) -> Job:
    """What a host's driver is told."""
    spec = record.spec
    source, target, processing = spec["TransformInput"], spec["TransformOutput"], spec["DataProcessing"]
    client = spec.get("ModelClientConfig", {})
    return Job(
        sockets=tuple(map(str, sockets)),
        items=str(items),
        log=str(log),
        wake=wake,
        key=record.id,
        content_type=source.get("ContentType", ""),
        accept=target.get("Accept", ""),
        compression=source["CompressionType"],
        split=source["SplitType"],
        assemble=target["AssembleWith"],
        strategy=spec.get("BatchStrategy"),
        concurrent=spec.get("MaxConcurrentTransforms") or None,
        payload_mb=spec.get("MaxPayloadInMB"),
        timeout=client.get("InvocationsTimeoutInSeconds", 600),
        retries=client.get("InvocationsMaxRetries", 3),
        startup=startup,
        input_filter=processing["InputFilter"],
        output_filter=processing["OutputFilter"],
        join=processing["JoinSource"] == "Input",
        stamp=_stamp(record) if spec.get("DataCaptureConfig", {}).get("GenerateInferenceId") else None,
    )


def _stamp(record: Record) -> Stamp:
    return Stamp(
        namespace=str(uuid.uuid5(uuid.NAMESPACE_URL, record.id)), time=str(write(int(record.created), "iso8601"))
    )
