"""Records of training jobs for tests of pure functions."""

from typing import Any

from clary.resources.records import Record

IMAGES = {
    "xgboost": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1",
    "sklearn": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3",
    "pytorch": "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.3.0-cpu-py311-ubuntu20.04-sagemaker",
}
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"


def channel(name: str, uri: str, **more: Any) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3DataDistributionType": "FullyReplicated", "S3Uri": uri}
    source |= more.pop("source", {})
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, **more}


def request(name: str = "job", framework: str = "sklearn", count: int = 1, **more: Any) -> dict[str, Any]:
    """CreateTrainingJob's, complete."""
    algorithm = {"TrainingImage": IMAGES[framework], "TrainingInputMode": "File", **more.pop("algorithm", {})}
    return {
        "TrainingJobName": name,
        "RoleArn": ROLE,
        "AlgorithmSpecification": algorithm,
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out/"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": count, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        **more,
    }


def job(status: str = "InProgress", state: dict[str, Any] | None = None, **more: Any) -> Record:
    spec = request(**more)
    return Record(
        id="00000000000000000000abcd",
        account="123456789012",
        region="us-east-1",
        kind="TrainingJob",
        name=spec["TrainingJobName"],
        arn=f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{spec['TrainingJobName']}",
        status=status,
        spec=spec,
        state=state or {},
        created=1000.5,
        modified=1000.5,
    )
