"""What is charged for endpoints, groups of instances and processing jobs, read through the API of a real server.

There is no controller: the tests bring records to where it would have brought them.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.capabilities.instances.conftest import Clients, assembly, bucket, clients
from tests.capabilities.processing.records import request as processing
from tests.capabilities.training.records import ROLE, request

from clary.app import Assembly
from clary.cli.charges import Charge, charges
from clary.cli.prices import Prices
from clary.companions.cloudwatch import MetricStore
from clary.resources.edit import edit
from clary.resources.store import Store

__all__ = ["assembly", "bucket", "clients"]

XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"


def become(assembly: Assembly, kind: str, name: str, status: str, **state: Any) -> None:
    record = assembly.parts.need(Store).get(kind, "123456789012", "us-east-1", name)
    assert record is not None
    with edit(assembly.parts, record) as change:
        change.become(status, **state)


def found(clients: Clients, now: datetime) -> dict[str, list[Charge]]:
    """By name."""
    got: dict[str, list[Charge]] = {}
    prices = Prices(clients("pricing"), "us-east-1")
    for charge in charges(clients("sagemaker"), clients("cloudwatch"), prices, now):
        got.setdefault(charge.name, []).append(charge)
    return got


def figures(charge: Charge) -> tuple[str, str, int, float, float | None]:
    return charge.what, charge.instance_type, charge.count, charge.seconds, charge.usd


def test_groups_are_charged_apart_for_the_same_seconds(clients: Clients, assembly: Assembly, bucket: str) -> None:
    groups = [
        {"InstanceGroupName": "a", "InstanceType": "ml.m5.xlarge", "InstanceCount": 2},
        {"InstanceGroupName": "b", "InstanceType": "ml.m4.xlarge", "InstanceCount": 1},
    ]
    config = {"InstanceGroups": groups, "VolumeSizeInGB": 1}
    clients("sagemaker").create_training_job(**request("groups") | {"ResourceConfig": config})
    times = {"TrainingStartTime": 1_700_000_000.0, "TrainingEndTime": 1_700_000_090.0}
    become(assembly, "TrainingJob", "groups", "Completed", **times)
    first, second = found(clients, datetime.now(UTC))["groups"]
    assert figures(first) == ("training job", "ml.m5.xlarge", 2, 90, pytest.approx(90 * 2 / 3600 * 0.23))
    assert figures(second) == ("training job", "ml.m4.xlarge", 1, 90, None)


def test_jobs_that_run_count_so_far_and_those_that_wait_not_at_all(
    clients: Clients, assembly: Assembly, bucket: str
) -> None:
    clients("sagemaker").create_training_job(**request("waits"))
    clients("sagemaker").create_training_job(**request("runs"))
    now = datetime.now(UTC)
    begun = (now - timedelta(seconds=600)).timestamp()
    become(assembly, "TrainingJob", "runs", "InProgress", TrainingStartTime=begun)
    got = found(clients, now)
    assert [figures(charge) for charge in got["waits"]] == [("training job", "ml.m5.large", 1, 0, 0.0)]
    [runs] = got["runs"]
    assert runs.usd == pytest.approx(600 / 3600 * 0.115, rel=0.01)


def test_processing_jobs(clients: Clients, assembly: Assembly, bucket: str) -> None:
    clients("sagemaker").create_processing_job(**processing("processed", count=3))
    times = {"ProcessingStartTime": 1_700_000_000.0, "ProcessingEndTime": 1_700_000_119.5}
    become(assembly, "ProcessingJob", "processed", "Completed", **times)
    [charge] = found(clients, datetime.now(UTC))["processed"]
    assert figures(charge) == ("processing job", "ml.m5.large", 3, 120, pytest.approx(120 * 3 / 3600 * 0.115))


def test_transform_jobs(clients: Clients, assembly: Assembly, bucket: str) -> None:
    sagemaker = clients("sagemaker")
    container = {"Image": XGBOOST, "ModelDataUrl": f"s3://{bucket}/model.tar.gz"}
    sagemaker.create_model(ModelName="charged", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    data = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/model.tar.gz"}}
    sagemaker.create_transform_job(
        TransformJobName="transformed",
        ModelName="charged",
        TransformInput={"DataSource": data},
        TransformOutput={"S3OutputPath": f"s3://{bucket}/out"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 2},
    )
    times = {"TransformStartTime": 1_700_000_000.0, "TransformEndTime": 1_700_000_060.0}
    become(assembly, "TransformJob", "transformed", "Completed", **times)
    [charge] = found(clients, datetime.now(UTC))["transformed"]
    assert figures(charge) == ("transform job", "ml.m5.large", 2, 60, None)


def test_endpoints_count_from_their_creation(clients: Clients, assembly: Assembly, bucket: str) -> None:
    sagemaker = clients("sagemaker")
    container = {"Image": XGBOOST, "ModelDataUrl": f"s3://{bucket}/model.tar.gz"}
    sagemaker.create_model(ModelName="model", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {"VariantName": "all", "ModelName": "model", "InstanceType": "ml.c5.xlarge", "InitialInstanceCount": 2}
    sagemaker.create_endpoint_config(EndpointConfigName="config", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="endpoint", EndpointConfigName="config")
    created = sagemaker.describe_endpoint(EndpointName="endpoint")["CreationTime"]
    record = assembly.parts.need(Store).get("Endpoint", "123456789012", "us-east-1", "endpoint")
    assert record is not None
    with edit(assembly.parts, record) as change:
        serving = change.record.state["Fleets"]["next"]
        ready = [{"workload": f"w{number}", "ready": True, "since": 0.0} for number in range(2)]
        serving["variants"][0]["instances"] = ready
        change.become("InService", Fleets={"serving": serving, "generation": 1})
    [charge] = found(clients, created + timedelta(hours=36))["endpoint/all"]
    assert figures(charge) == ("endpoint", "ml.c5.xlarge", 2, 36 * 3600, pytest.approx(36 * 2 * 0.204))
    sagemaker.delete_endpoint_config(EndpointConfigName="config")
    [charge] = found(clients, created + timedelta(hours=1))["endpoint/all"]
    assert figures(charge) == ("endpoint", "unknown", 2, 3600, None)


def test_asynchronous_endpoints_have_no_price_and_serverless_ones_count_the_time_of_their_calls(
    clients: Clients, assembly: Assembly, bucket: str
) -> None:
    sagemaker = clients("sagemaker")
    container = {"Image": XGBOOST, "ModelDataUrl": f"s3://{bucket}/model.tar.gz"}
    sagemaker.create_model(ModelName="rare", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {"VariantName": "all", "ModelName": "rare"}
    serverless = {**variant, "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 1}}
    hosted = {**variant, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    output = {"OutputConfig": {"S3OutputPath": f"s3://{bucket}/answers"}}
    sagemaker.create_endpoint_config(EndpointConfigName="rare", ProductionVariants=[serverless])
    sagemaker.create_endpoint_config(
        EndpointConfigName="queued", ProductionVariants=[hosted], AsyncInferenceConfig=output
    )
    for name in ("rare", "queued"):
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    names, now = {"EndpointName": "rare", "VariantName": "all"}, datetime.now(UTC)
    measured = [("ModelLatency", names, value, now.timestamp()) for value in (3_000_000.0, 1_000_000.0)]
    assembly.parts.need(MetricStore).put("123456789012", "us-east-1", "AWS/SageMaker", measured)
    got = found(clients, now)
    assert [figures(charge) for charge in got["rare/all"]] == [
        ("serverless endpoint", "serverless, 2048 MB", 1, 4.0, None)
    ]
    [queued] = got["queued/all"]
    assert (queued.what, queued.instance_type, queued.usd_hour) == ("asynchronous endpoint", "ml.m5.large", None)
