"""AWS CLI: the whole job as shell commands, with waiters and paging by the CLI itself."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

AWS = str(Path(sys.executable).parent / "aws")


def aws(*words):
    ran = subprocess.run([AWS, *words, "--output", "json"], capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(f"aws {' '.join(words)}: {ran.stderr}")
    try:
        return json.loads(ran.stdout)
    except ValueError:
        return ran.stdout


assert ":assumed-role/SageMakerRole/" in aws("sts", "get-caller-identity")["Arn"]
role = aws("iam", "get-role", "--role-name", "SageMakerRole")["Role"]["Arn"]
region = os.environ["AWS_REGION"]
name = f"awscli-{int(time.time() * 1000)}"
image = f"683313688378.dkr.ecr.{region}.amazonaws.com/sagemaker-xgboost:1.7-1"
rows = "".join(f"{x % 2},{x % 2},{x % 7}\n" for x in range(200))
with tempfile.TemporaryDirectory() as folder:
    local = Path(folder)
    (local / "train.csv").write_text(rows)
    aws("s3", "mb", f"s3://{name}")
    aws("s3", "cp", str(local / "train.csv"), f"s3://{name}/train/train.csv")
    assert "train.csv" in aws("s3", "ls", f"s3://{name}/train/")
    request = {
        "TrainingJobName": name,
        "RoleArn": role,
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
        "HyperParameters": {"objective": "binary:logistic", "num_round": "5"},
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "ContentType": "text/csv",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{name}/train"}},
            }
        ],
        "OutputDataConfig": {"S3OutputPath": f"s3://{name}/output"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 300},
    }
    (local / "job.json").write_text(json.dumps(request))
    aws("sagemaker", "create-training-job", "--cli-input-json", f"file://{local / 'job.json'}")
    # The CLI's own waiter looks every two minutes; polling as an impatient user does.
    while (job := aws("sagemaker", "describe-training-job", "--training-job-name", name))[
        "TrainingJobStatus"
    ] == "InProgress":
        time.sleep(0.5)
    assert job["TrainingJobStatus"] == "Completed", job
    aws("sagemaker", "wait", "training-job-completed-or-stopped", "--training-job-name", name)

    model = {"Image": image, "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]}
    named = ("--model-name", name)
    aws("sagemaker", "create-model", *named, "--execution-role-arn", role, "--primary-container", json.dumps(model))
    variant = f"VariantName=all,ModelName={name},InstanceType=ml.m5.large,InitialInstanceCount=1"
    config = ("--endpoint-config-name", name)
    aws("sagemaker", "create-endpoint-config", *config, "--production-variants", variant)
    endpoint = ("--endpoint-name", name)
    aws("sagemaker", "create-endpoint", *endpoint, *config)
    aws("sagemaker", "wait", "endpoint-in-service", *endpoint)
    answer = local / "answer"
    row = ("--content-type", "text/csv", "--body", "1,3")
    aws("sagemaker-runtime", "invoke-endpoint", *endpoint, *row, str(answer))
    assert float(answer.read_text()) > 0.5, answer.read_text()

    listed = aws("sagemaker", "list-training-jobs", "--name-contains", name, "--page-size", "1", "--max-items", "5")
    assert [entry["TrainingJobName"] for entry in listed["TrainingJobSummaries"]] == [name], listed
    aws("sagemaker", "delete-endpoint", *endpoint)
    aws("sagemaker", "wait", "endpoint-deleted", *endpoint)
    aws("sagemaker", "delete-endpoint-config", *config)
    aws("sagemaker", "delete-model", *named)
    aws("s3", "rm", f"s3://{name}", "--recursive")
    aws("s3", "rb", f"s3://{name}")
