"""Which operation a request means."""

import pytest

from clary.wire.errors import AwsError
from clary.wire.messages import Head
from clary.wire.routing import route

FORM = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")]
CBOR = [("smithy-protocol", "rpc-v2-cbor")]


def found(
    method: str, path: str, scope: str | None, headers: list[tuple[str, str]] | None = None, body: bytes = b""
) -> tuple[str, str, str] | None:
    path, _, query = path.partition("?")
    matched = route(Head(method, path, query, headers or []), body, scope)
    return matched and (matched.service.name, matched.operation, matched.protocol)


@pytest.mark.parametrize("scope", ["sagemaker", None])
@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/endpoints/e/invocations", ("sagemaker-runtime", "InvokeEndpoint")),
        ("POST", "/endpoints/e/async-invocations", ("sagemaker-runtime", "InvokeEndpointAsync")),
        ("PUT", "/FeatureGroup/g", ("sagemaker-featurestore-runtime", "PutRecord")),
        ("GET", "/FeatureGroup/g", ("sagemaker-featurestore-runtime", "GetRecord")),
        ("POST", "/BatchGetRecord", ("sagemaker-featurestore-runtime", "BatchGetRecord")),
        ("PUT", "/BatchPutMetrics", ("sagemaker-metrics", "BatchPutMetrics")),
        ("GET", "/human-loops/h", ("sagemaker-a2i-runtime", "DescribeHumanLoop")),
        ("DELETE", "/human-loops/h", ("sagemaker-a2i-runtime", "DeleteHumanLoop")),
    ],
)
def test_data_planes_are_told_apart_by_path(
    scope: str | None, method: str, path: str, expected: tuple[str, str]
) -> None:
    assert found(method, path, scope) == (*expected, "rest-json")


def test_targets_smithy_paths_and_forms() -> None:
    target = [("x-amz-target", "SageMaker.CreateModel")]
    assert found("POST", "/", "sagemaker", target) == ("sagemaker", "CreateModel", "json")
    path = "/service/GraniteServiceVersion20100801/operation/PutMetricData"
    assert found("POST", path, "monitoring", CBOR) == ("cloudwatch", "PutMetricData", "smithy-rpc-v2-cbor")
    sent = b"Action=GetRole&Version=2010-05-08&RoleName=r"
    assert found("POST", "/", "iam", FORM, sent) == ("iam", "GetRole", "query")
    assert found("POST", "/", None, FORM, sent) == ("iam", "GetRole", "query")
    assert found("GET", "/?Action=GetCallerIdentity&Version=2011-06-15", "sts") == ("sts", "GetCallerIdentity", "query")
    sent = b"Action=DescribeInstanceTypes&Version=2016-11-15"
    assert found("POST", "/", "ec2", FORM, sent) == ("ec2", "DescribeInstanceTypes", "ec2")


def test_what_is_nothing_else_is_s3s() -> None:
    assert found("GET", "/bucket/key", None) is None
    assert found("GET", "/endpoints/e/invocations", "s3") is None
    assert found("PUT", "/bucket?uploads", None) is None


def test_a_request_is_for_the_service_it_is_signed_for() -> None:
    with pytest.raises(AwsError, match="scoped to correct service: 'sagemaker'"):
        found("POST", "/", "sts", [("x-amz-target", "SageMaker.CreateModel")])


def test_unknown_operations_keep_their_service() -> None:
    assert found("POST", "/", "sagemaker", [("x-amz-target", "SageMaker.Nothing")]) == ("sagemaker", "", "json")
    assert found("GET", "/nothing", "sagemaker") == ("sagemaker", "", "json")
