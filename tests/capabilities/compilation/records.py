"""Requests and records of compilation jobs for tests."""

from typing import Any

from clary.resources.records import Record

BUCKET = "compilation"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"


def request(name: str = "job", framework: str = "XGBOOST", *, output: Any = None, **source: Any) -> dict[str, Any]:
    """CreateCompilationJob's. `source`: further members of InputConfig."""
    return {
        "CompilationJobName": name,
        "RoleArn": ROLE,
        "InputConfig": {"S3Uri": f"s3://{BUCKET}/{name}.tar.gz", "Framework": framework, **source},
        "OutputConfig": {"S3OutputLocation": f"s3://{BUCKET}/out/{name}/", **(output or {"TargetDevice": "ml_c5"})},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }


def job(status: str = "STARTING", state: dict[str, Any] | None = None, **more: Any) -> Record:
    return Record(
        id="00000000000000000000abcd",
        account="123456789012",
        region="us-east-1",
        kind="CompilationJob",
        name="job",
        arn="arn:aws:sagemaker:us-east-1:123456789012:compilation-job/job",
        status=status,
        spec=request(**more),
        state=state or {},
        created=1000.5,
        modified=1000.5,
    )
