"""The generic verbs under unmodified boto3: nothing of a kind is written but its declaration."""

import concurrent.futures
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.harness import CLIENT, serve

from clary.resources import search, tags
from clary.resources.kinds import Kinds
from clary.resources.store import Store
from clary.resources.verbs import generic_operations
from clary.resources.wake import Wake
from clary.wire.models import Models
from clary.wire.operations import Registry

from .shapes import KINDS, SPECIAL

JOB: dict[str, Any] = {
    "RoleArn": "arn:aws:iam::123456789012:role/SageMakerRole",
    "AppSpecification": {"ImageUri": "image"},
    "ProcessingResources": {"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}},
}


@pytest.fixture
def client(store_url: str, tmp_path: Path) -> Iterator[Any]:
    taken = {operation.name for operation in SPECIAL}
    generic = [entry for kind in KINDS for entry in generic_operations(kind) if entry.name not in taken]
    registry = Registry([*SPECIAL, *generic, *tags.OPERATIONS, *search.OPERATIONS])
    store = Store(store_url)
    with serve(registry, store, Wake(tmp_path), Kinds(KINDS), Models()) as url:
        yield boto3.client("sagemaker", endpoint_url=url, **CLIENT)
    store.close()


def test_a_job_from_creation_to_stop(client: Any) -> None:
    arn = client.create_processing_job(ProcessingJobName="j", **JOB, Tags=[{"Key": "k", "Value": "v"}])[
        "ProcessingJobArn"
    ]
    assert arn == "arn:aws:sagemaker:us-east-1:123456789012:processing-job/j"
    shown = client.describe_processing_job(ProcessingJobName="j")
    assert {name: shown[name] for name in JOB} == JOB
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "k", "Value": "v"}]
    client.stop_processing_job(ProcessingJobName="j")
    assert client.describe_processing_job(ProcessingJobName="j")["ProcessingJobStatus"] == "Stopping"
    [summary] = client.list_processing_jobs(StatusEquals="Stopping")["ProcessingJobSummaries"]
    assert (summary["ProcessingJobArn"], summary["CreationTime"]) == (arn, shown["CreationTime"])


def test_errors_have_their_codes(client: Any) -> None:
    client.create_processing_job(ProcessingJobName="j", **JOB)
    with pytest.raises(client.exceptions.ResourceInUse):
        client.create_processing_job(ProcessingJobName="j", **JOB)
    with pytest.raises(client.exceptions.ResourceNotFound):
        client.describe_processing_job(ProcessingJobName="none")
    with pytest.raises(ClientError) as caught:
        client.describe_model(ModelName="none")
    assert caught.value.response["Error"] == {
        "Code": "ValidationException",
        "Message": 'Could not find model "arn:aws:sagemaker:us-east-1:123456789012:model/none".',
    }


def test_paginators_and_dates(client: Any) -> None:
    for number in range(7):
        client.create_processing_job(ProcessingJobName=f"j{number}", **JOB)
    third = client.describe_processing_job(ProcessingJobName="j3")["CreationTime"]
    pages = client.get_paginator("list_processing_jobs").paginate(
        CreationTimeAfter=third, PaginationConfig={"PageSize": 2}
    )
    assert [job["ProcessingJobName"] for page in pages for job in page["ProcessingJobSummaries"]] == ["j4", "j5", "j6"]


def test_versions_and_idempotency(client: Any) -> None:
    client.create_model_package_group(ModelPackageGroupName="g")
    request = {"ModelPackageGroupName": "g", "ClientToken": "t" * 36}
    first = client.create_model_package(**request)["ModelPackageArn"]
    assert client.create_model_package(**request)["ModelPackageArn"] == first
    assert client.describe_model_package(ModelPackageName=first)["ModelPackageVersion"] == 1
    found = client.search(
        Resource="ModelPackageGroup", SearchExpression={"Filters": [{"Name": "ModelPackageGroupName", "Value": "g"}]}
    )
    assert found["TotalHits"] == {"Value": 1, "Relation": "EqualTo"}


def test_many_clients_create_one_name_once(client: Any) -> None:
    def create(number: int) -> str:
        try:
            return str(client.create_model(ModelName=f"m{number % 3}", ExecutionRoleArn=JOB["RoleArn"])["ModelArn"])
        except ClientError as refused:
            return str(refused.response["Error"]["Code"])

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, range(24)))
    assert sorted(answers)[:21] == ["ValidationException"] * 21
    assert len(client.list_models()["Models"]) == 3
