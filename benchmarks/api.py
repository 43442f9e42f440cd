"""Signed CreateTrainingJob, DescribeTrainingJob and ListTrainingJobs, with 10,000 jobs stored, against moto."""

import random
import tempfile
from pathlib import Path
from typing import Any

import boto3

from benchmarks.load import Signed, rate, sagemaker
from benchmarks.servers import Served, clary, moto
from benchmarks.table import Line, faster

TITLE = "Control plane"
JOBS = 10_000
READS = 2_000
LISTS = 200
MANY = 100_000
REACH = 5.0
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"


def measure() -> list[Line]:
    with tempfile.TemporaryDirectory() as folder, clary(Path(folder) / "home") as served:
        ours = rates(served)
        small = ours["ListTrainingJobs"]
        fill(served, MANY)
        large = listing(served, LISTS)
    with moto() as served:
        theirs = rates(served)
    lines = [faster(f"{name}, {JOBS:,} jobs stored", ours[name], theirs[name], "per s", REACH) for name in ours]
    ratio = small / large
    said = f"{small:,.0f} at {JOBS:,}, {large:,.0f} at {MANY:,} per s"
    lines.append(Line("ListTrainingJobs as jobs grow", said, "", f"{ratio:.2f} times", "≤ 1.5 times", ratio <= 1.5))
    return lines


def rates(served: Served) -> dict[str, float]:
    """Answers per second of each operation."""
    prepare(served)
    return {
        "CreateTrainingJob": rate(creates(served, 0, JOBS)),
        "DescribeTrainingJob": rate(describes(served)),
        "ListTrainingJobs": listing(served, LISTS),
    }


def prepare(served: Served) -> None:
    """The bucket that the jobs name."""
    keys = {"aws_access_key_id": served.access_key, "aws_secret_access_key": served.secret}
    s3 = boto3.client("s3", endpoint_url=served.url, region_name="us-east-1", **keys)
    s3.create_bucket(Bucket="bench")
    s3.put_object(Bucket="bench", Key="train/data.csv", Body=b"1,2\n")


def creates(served: Served, first: int, last: int) -> list[Signed]:
    return [sagemaker(served, "CreateTrainingJob", job(number)) for number in range(first, last)]


def describes(served: Served) -> list[Signed]:
    chosen = random.Random(1).choices(range(JOBS), k=READS)
    return [sagemaker(served, "DescribeTrainingJob", {"TrainingJobName": f"job-{n:06}"}) for n in chosen]


def listing(served: Served, times: int) -> float:
    return rate([sagemaker(served, "ListTrainingJobs", {"MaxResults": 100})] * times)


def fill(served: Served, jobs: int) -> None:
    """Up to so many in all, in portions, because a signature ages."""
    for first in range(JOBS, jobs, JOBS):
        rate(creates(served, first, first + JOBS), at_once=16)


def job(number: int) -> dict[str, Any]:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bench/train"}}
    return {
        "TrainingJobName": f"job-{number:06}",
        "RoleArn": "arn:aws:iam::123456789012:role/SageMakerRole",
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "HyperParameters": {"objective": "binary:logistic", "num_round": "10"},
        "InputDataConfig": [{"ChannelName": "train", "ContentType": "text/csv", "DataSource": source}],
        "OutputDataConfig": {"S3OutputPath": "s3://bench/output"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }
