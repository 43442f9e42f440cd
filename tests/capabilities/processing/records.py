"""Requests and records of processing jobs for tests."""

from typing import Any

from clary.resources.records import Record

BUCKET = "processing"
IMAGES = {
    "sklearn": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3",
    "pytorch": "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.3.0-cpu-py311-ubuntu20.04-sagemaker",
    "spark": "173754725891.dkr.ecr.us-east-1.amazonaws.com/sagemaker-spark-processing:3.5-cpu-py312-v1",
}
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
ROOT = "/opt/ml/processing"


def request(name: str = "job", *entrypoint: str, framework: str = "sklearn", count: int = 1, **more: Any) -> Any:
    """CreateProcessingJob's."""
    app: dict[str, Any] = {"ImageUri": IMAGES[framework]}
    if entrypoint:
        app["ContainerEntrypoint"] = list(entrypoint)
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": count, "VolumeSizeInGB": 10}
    return {
        "ProcessingJobName": name,
        "RoleArn": ROLE,
        "AppSpecification": app,
        "ProcessingResources": {"ClusterConfig": cluster},
        **more,
    }


def source(name: str, key: str, path: str = "", **more: Any) -> dict[str, Any]:
    """An entry of ProcessingInputs. `path` is below /opt/ml/processing, by default `input/<name>`."""
    place = {"S3Uri": f"s3://{BUCKET}/{key}", "LocalPath": f"{ROOT}/{path or f'input/{name}'}"}
    return {"InputName": name, "S3Input": {"S3DataType": "S3Prefix", "S3InputMode": "File", **place, **more}}


def piped(name: str, key: str, path: str = "", **more: Any) -> dict[str, Any]:
    """Likewise in Pipe mode."""
    return source(name, key, path, S3InputMode="Pipe", **more)


def target(name: str, key: str, path: str = "", mode: str = "EndOfJob") -> dict[str, Any]:
    """An entry of Outputs."""
    place = {"S3Uri": f"s3://{BUCKET}/{key}", "LocalPath": f"{ROOT}/{path or f'output/{name}'}"}
    return {"OutputName": name, "S3Output": {**place, "S3UploadMode": mode}}


def outputs(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"ProcessingOutputConfig": {"Outputs": list(entries)}}


def job(status: str = "InProgress", state: dict[str, Any] | None = None, **more: Any) -> Record:
    """A record with the defaults that Create fills in."""
    spec = {"StoppingCondition": {"MaxRuntimeInSeconds": 600}, **request(**more)}
    name = spec["ProcessingJobName"]
    return Record(
        id="00000000000000000000abcd",
        account="123456789012",
        region="us-east-1",
        kind="ProcessingJob",
        name=name,
        arn=f"arn:aws:sagemaker:us-east-1:123456789012:processing-job/{name}",
        status=status,
        spec=spec,
        state=state or {},
        created=1000.5,
        modified=1000.5,
    )
