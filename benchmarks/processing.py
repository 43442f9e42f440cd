"""From CreateProcessingJob to its terminal status: a script that does nothing, its environment built."""

import time
from pathlib import Path
from typing import Any

from tests.servers import wait_until

from benchmarks.jobs import BUCKET, IMAGE
from benchmarks.processes import whole
from benchmarks.report import Section

RUNS = 30
TARGET_SECONDS = 1.2
CODE = "/opt/ml/processing/input/code"


def measure(folder: Path, quick: bool) -> Section:
    section = Section(
        "processing",
        "Processing job that does nothing",
        f"half of all are terminal within {TARGET_SECONDS} s of the create call (ScriptProcessor, environment built)",
        ("what", "p50, s", "p90, s", "longest, s"),
    )
    with whole(folder / "home") as clary:
        s3 = clary.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="code/script.py", Body=b"pass\n")
        client = clary.client("sagemaker")
        _one(client, "warm-up")
        waits = sorted(_one(client, f"job-{number}") for number in range(3 if quick else RUNS))
    quantiles = [waits[min(len(waits) - 1, int(part * len(waits)))] for part in (0.5, 0.9, 1)]
    section.rows = [("create call → `Completed`, polled every 10 ms", *(f"{value:.3f}" for value in quantiles))]
    section.verdict(quantiles[0] <= TARGET_SECONDS, f"p50 {quantiles[0]:.2f} s (at most {TARGET_SECONDS} s)")
    section.notes.append(f"{len(waits)} jobs one after another, through boto3; one input, one empty output.")
    return section


def _one(client: Any, name: str) -> float:
    called = time.time()
    client.create_processing_job(**_request(name))
    status = ""

    def over() -> bool:
        nonlocal status
        time.sleep(0.01)
        status = client.describe_processing_job(ProcessingJobName=name)["ProcessingJobStatus"]
        return status != "InProgress"

    wait_until(over, 300)
    ended = time.time()
    if status != "Completed":
        raise RuntimeError(client.describe_processing_job(ProcessingJobName=name)["FailureReason"])
    return ended - called


def _request(name: str) -> dict[str, Any]:
    code = {"S3Uri": f"s3://{BUCKET}/code/script.py", "LocalPath": CODE, "S3DataType": "S3Prefix"}
    out = {"S3Uri": f"s3://{BUCKET}/out/{name}", "LocalPath": "/opt/ml/processing/output", "S3UploadMode": "EndOfJob"}
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10}
    return {
        "ProcessingJobName": name,
        "RoleArn": "arn:aws:iam::123456789012:role/SageMakerRole",
        "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["python3", f"{CODE}/script.py"]},
        "ProcessingInputs": [{"InputName": "code", "S3Input": code | {"S3InputMode": "File"}}],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": out}]},
        "ProcessingResources": {"ClusterConfig": cluster},
    }
