"""boto3: create, wait, page through lists, tags, stop, failure texts, delete."""

import io
import tarfile
import time

import boto3
from botocore.exceptions import ClientError, WaiterError

sagemaker, s3, logs = boto3.client("sagemaker"), boto3.client("s3"), boto3.client("logs")
region = sagemaker.meta.region_name
account = boto3.client("sts").get_caller_identity()["Account"]
role = boto3.client("iam").get_role(RoleName="SageMakerRole")["Role"]["Arn"]
image = f"683313688378.dkr.ecr.{region}.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
bucket = f"journey-{int(time.time() * 1000)}"
s3.create_bucket(Bucket=bucket)


def upload(name, script):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        entry = tarfile.TarInfo("main.py")
        entry.size = len(script.encode())
        tar.addfile(entry, io.BytesIO(script.encode()))
    s3.put_object(Bucket=bucket, Key=f"{name}/sourcedir.tar.gz", Body=archive.getvalue())
    return f"s3://{bucket}/{name}/sourcedir.tar.gz"


def create(name, script, seconds=300):
    return sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn=role,
        AlgorithmSpecification={
            "TrainingImage": image,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "score", "Regex": "score=([0-9.]+)"}],
        },
        HyperParameters={"sagemaker_program": "main.py", "sagemaker_submit_directory": upload(name, script)},
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/output"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": seconds},
        Tags=[{"Key": "journey", "Value": "boto3"}],
    )["TrainingJobArn"]


def wait(name):
    sagemaker.get_waiter("training_job_completed_or_stopped").wait(
        TrainingJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 600}
    )
    return sagemaker.describe_training_job(TrainingJobName=name)


prefix = f"boto3-{int(time.time() * 1000)}"
model = "import os, pathlib; pathlib.Path(os.environ['SM_MODEL_DIR'], 'm.txt').write_text('model')"
arns = {f"{prefix}-{n}": create(f"{prefix}-{n}", f"{model}\nprint('score={n}.5')") for n in range(3)}
for n, name in enumerate(arns):
    job = wait(name)
    assert job["TrainingJobStatus"] == "Completed", job
    assert [m["Value"] for m in job["FinalMetricDataList"]] == [n + 0.5], job
    statuses = [transition["Status"] for transition in job["SecondaryStatusTransitions"]]
    assert statuses[0] == "Starting" and statuses[-1] == "Completed" and "Training" in statuses, statuses
    location = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert location == f"s3://{bucket}/output/{name}/output/model.tar.gz", location
    body = s3.get_object(Bucket=bucket, Key=location.removeprefix(f"s3://{bucket}/"))["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        assert tar.extractfile("m.txt").read() == b"model"

pages = sagemaker.get_paginator("list_training_jobs").paginate(
    NameContains=prefix, SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 2}
)
listed = [[job["TrainingJobName"] for job in page["TrainingJobSummaries"]] for page in pages]
assert listed == [[f"{prefix}-0", f"{prefix}-1"], [f"{prefix}-2"]], listed
tags = sagemaker.list_tags(ResourceArn=arns[f"{prefix}-0"])["Tags"]
assert tags == [{"Key": "journey", "Value": "boto3"}], tags

create(f"{prefix}-fails", "raise ValueError('no such luck')")
try:
    wait(f"{prefix}-fails")
    raise SystemExit("the waiter should fail")
except WaiterError:
    failed = sagemaker.describe_training_job(TrainingJobName=f"{prefix}-fails")
assert failed["TrainingJobStatus"] == "Failed" and "no such luck" in failed["FailureReason"], failed

create(f"{prefix}-endless", "import time\nprint('begun', flush=True)\nwhile True: time.sleep(1)")
while not logs.describe_log_streams(
    logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{prefix}-endless/"
)["logStreams"]:
    time.sleep(0.2)
sagemaker.stop_training_job(TrainingJobName=f"{prefix}-endless")
assert sagemaker.describe_training_job(TrainingJobName=f"{prefix}-endless")["TrainingJobStatus"] in (
    "Stopping",
    "Stopped",
)
assert wait(f"{prefix}-endless")["TrainingJobStatus"] == "Stopped"

try:
    create(f"{prefix}-0", "pass")
    raise SystemExit("a taken name should be refused")
except ClientError as refused:
    assert refused.response["Error"]["Code"] == "ResourceInUse", refused
try:
    sagemaker.describe_training_job(TrainingJobName="there-is-none")
    raise SystemExit("a missing job should be refused")
except ClientError as refused:
    assert refused.response["Error"] == {"Code": "ValidationException", "Message": "Requested resource not found."}
