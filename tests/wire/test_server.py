"""The server answers unmodified boto3."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.harness import CLIENT, serve

from clary.wire.context import Context
from clary.wire.operations import Registry, operation


@operation("DescribeModel")
def describe(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    arn = f"arn:aws:sagemaker:{ctx.region}:{ctx.account}:model/{request['ModelName']}"
    return {"ModelName": request["ModelName"], "ModelArn": arn, "CreationTime": 1.5}


def test_a_request_is_answered() -> None:
    with serve(Registry([describe])) as url:
        answer = boto3.client("sagemaker", endpoint_url=url, **CLIENT).describe_model(ModelName="m")
    assert answer["ModelArn"] == "arn:aws:sagemaker:us-east-1:123456789012:model/m"
    assert answer["CreationTime"].timestamp() == 1.5


def test_a_broken_constraint_is_refused_in_awss_words() -> None:
    with serve(Registry([describe])) as url, pytest.raises(ClientError) as caught:
        boto3.client("sagemaker", endpoint_url=url, **CLIENT).describe_model(ModelName="m_!")
    assert caught.value.response["Error"] == {
        "Code": "ValidationException",
        "Message": "1 validation error detected: Value 'm_!' at 'modelName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [a-zA-Z0-9]([\\-a-zA-Z0-9]*[a-zA-Z0-9])?",
    }
