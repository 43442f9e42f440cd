"""One port, every protocol, unmodified boto3; and what is wrong with a request ends as AWS's error."""

import gzip
import http.client
import json
import logging
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from tests.harness import ACCESS_KEY, CLIENT, SECRET, serve

from clary.settings import Settings
from clary.wire.context import Context
from clary.wire.errors import AwsError, ResourceInUse
from clary.wire.http.exchange import Exchange
from clary.wire.operations import Registry, operation
from clary.wire.sigv4 import Identity

Request = dict[str, Any]
SEEN: list[Request] = []


@operation("DescribeModel", quick=True)
def describe_model(ctx: Context, request: Request) -> Request:
    arn = f"arn:aws:sagemaker:{ctx.region}:{ctx.account}:model/{request['ModelName']}"
    return {"ModelName": request["ModelName"], "ModelArn": arn, "CreationTime": 1.5}


@operation("CreateModel")
def create_model(ctx: Context, request: Request) -> Request:
    raise ResourceInUse("taken")


@operation("ListModels")
def list_models(ctx: Context, request: Request) -> Request:
    raise ZeroDivisionError("secret detail\nforged line")


@operation("InvokeEndpoint", "sagemaker-runtime")
async def invoke(ctx: Context, request: Request) -> Request:
    if request["Body"] == b"fail":
        raise AwsError("boom", code="ModelError", OriginalStatusCode=500, OriginalMessage="why", LogStreamArn="arn")
    return {
        "Body": request["Body"][::-1],
        "ContentType": request["ContentType"],
        "InvokedProductionVariant": "AllTraffic",
    }


@operation("PutRecord", "sagemaker-featurestore-runtime")
def put_record(ctx: Context, request: Request) -> None:
    SEEN.append(request)


@operation("GetCallerIdentity", "sts")
def identity(ctx: Context, request: Request) -> Request:
    return {"UserId": ctx.principal.user_id, "Account": ctx.account, "Arn": ctx.principal.arn}


@operation("SimulatePrincipalPolicy", "iam")
def simulate(ctx: Context, request: Request) -> Request:
    if request["PolicySourceArn"].endswith("/none-such"):
        raise AwsError("no role", code="NoSuchEntity")
    results = [{"EvalActionName": name, "EvalDecision": "allowed"} for name in request["ActionNames"]]
    return {"EvaluationResults": results, "IsTruncated": False}


@operation("DescribeLogStreams", "logs")
def streams(ctx: Context, request: Request) -> Request:
    return {"logStreams": [{"logStreamName": request["logStreamNamePrefix"], "creationTime": 1_700_000_000_000}]}


@operation("PutMetricData", "cloudwatch")
def put_metrics(ctx: Context, request: Request) -> None:
    SEEN.append(request)


@operation("GetMetricStatistics", "cloudwatch")
def statistics(ctx: Context, request: Request) -> Request:
    return {"Label": request["MetricName"], "Datapoints": [{"Timestamp": request["StartTime"], "Average": 1.5}]}


@operation("DescribeInstanceTypes", "ec2")
def instance_types(ctx: Context, request: Request) -> Request:
    return {"InstanceTypes": [{"InstanceType": name} for name in request["InstanceTypes"]]}


BUILT = Registry(
    [
        describe_model,
        create_model,
        list_models,
        invoke,
        put_record,
        identity,
        simulate,
        streams,
        put_metrics,
        statistics,
        instance_types,
    ]
)


async def bucket_server(exchange: Exchange, caller: Identity | None) -> None:
    head = exchange.head
    who = caller.principal.account if caller else "nobody"
    exchange.answer(200, [("content-type", "text/plain")], f"{who} {head.method} {head.path}".encode())


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serve(BUILT, Settings(max_request_bytes=1 << 20), s3=bucket_server) as served:
        yield served


@pytest.fixture
def aws(url: str) -> Any:
    def client(name: str, **change: Any) -> Any:
        return boto3.client(name, endpoint_url=url, **(CLIENT | change))

    return client


def refusal(call: Any, **request: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    found: dict[str, Any] = caught.value.response
    return found


def test_json(aws: Any) -> None:
    answer = aws("sagemaker", region_name="eu-west-1").describe_model(ModelName="m")
    assert answer["ModelArn"] == "arn:aws:sagemaker:eu-west-1:123456789012:model/m"
    assert answer["CreationTime"].timestamp() == 1.5


def test_a_broken_constraint_is_refused_in_awss_words(aws: Any) -> None:
    assert refusal(aws("sagemaker").describe_model, ModelName="m_!")["Error"] == {
        "Code": "ValidationException",
        "Message": "1 validation error detected: Value 'm_!' at 'modelName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [a-zA-Z0-9]([\\-a-zA-Z0-9]*[a-zA-Z0-9])?",
    }


def test_a_modelled_error_is_told_by_its_code(aws: Any) -> None:
    client = aws("sagemaker")
    with pytest.raises(client.exceptions.ResourceInUse, match="taken"):
        client.create_model(ModelName="m")


def test_what_is_not_built_is_named(aws: Any) -> None:
    told = refusal(aws("sagemaker").list_training_jobs)
    assert told["Error"]["Code"] == "NotImplemented"
    assert "sagemaker:ListTrainingJobs" in told["Error"]["Message"]
    assert told["ResponseMetadata"]["RequestId"]


METRIC = {"MetricName": "m", "Timestamp": 1, "Value": 1.0}


@pytest.mark.parametrize(
    ("service", "call", "request_"),
    [
        ("sagemaker-metrics", "batch_put_metrics", {"TrialComponentName": "t", "MetricData": [METRIC]}),
        ("sagemaker-a2i-runtime", "list_human_loops", {"FlowDefinitionArn": "a" * 100}),
        ("sagemaker-edge", "get_device_registration", {"DeviceName": "d", "DeviceFleetName": "f"}),
        ("sagemaker-geospatial", "list_raster_data_collections", {}),
        (
            "sagemaker-featurestore-runtime",
            "get_record",
            {"FeatureGroupName": "g", "RecordIdentifierValueAsString": "1"},
        ),
        ("ecr", "get_authorization_token", {}),
        ("kms", "list_keys", {}),
        ("lambda", "list_functions", {}),
        ("athena", "list_work_groups", {}),
    ],
)
def test_every_plane_answers(aws: Any, service: str, call: str, request_: Request) -> None:
    client = aws(service, config=Config(inject_host_prefix=False, retries={"total_max_attempts": 1}))
    code = refusal(getattr(client, call), **request_)["Error"]["Code"]
    assert code in ("NotImplemented", "ValidationException", "ValidationError")


def test_a_bug_says_nothing_and_is_logged(aws: Any, caplog: pytest.LogCaptureFixture) -> None:
    client = aws("sagemaker", config=Config(retries={"total_max_attempts": 1}))
    with caplog.at_level(logging.ERROR, "clary.wire"):
        told = refusal(client.list_models)
    assert told["Error"] == {"Code": "InternalFailure", "Message": "An internal error has occurred."}
    assert told["ResponseMetadata"]["RequestId"] in caplog.text
    assert "\n  | forged line" in caplog.text


def test_rest_json_with_a_raw_body(aws: Any) -> None:
    answer = aws("sagemaker-runtime").invoke_endpoint(EndpointName="e", Body=b"1,2\0", ContentType="text/csv")
    assert (answer["Body"].read(), answer["ContentType"], answer["InvokedProductionVariant"]) == (
        b"\x002,1",
        "text/csv",
        "AllTraffic",
    )


def test_rest_json_errors_carry_their_members(aws: Any) -> None:
    told = refusal(aws("sagemaker-runtime").invoke_endpoint, EndpointName="e", Body=b"fail", ContentType="text/csv")
    assert (told["ResponseMetadata"]["HTTPStatusCode"], told["Error"]["Code"]) == (424, "ModelError")
    assert (told["OriginalStatusCode"], told["OriginalMessage"], told["LogStreamArn"]) == (500, "why", "arn")


def test_rest_json_with_labels(aws: Any) -> None:
    SEEN.clear()
    record = [{"FeatureName": "f", "ValueAsString": "1"}]
    aws("sagemaker-featurestore-runtime").put_record(FeatureGroupName="g", Record=record)
    assert [{"FeatureGroupName": "g", "Record": record}] == SEEN


def test_query(aws: Any) -> None:
    assert aws("sts").get_caller_identity()["Arn"].endswith(":assumed-role/SageMakerRole/clary")
    call = aws("iam").simulate_principal_policy
    arn = "arn:aws:iam::123456789012:role/"
    results = call(PolicySourceArn=arn + "r", ActionNames=["s3:GetObject", "s3:PutObject"])["EvaluationResults"]
    assert [result["EvalActionName"] for result in results] == ["s3:GetObject", "s3:PutObject"]
    told = refusal(call, PolicySourceArn=arn + "none-such", ActionNames=["a:b"])
    assert (told["Error"]["Code"], told["ResponseMetadata"]["HTTPStatusCode"]) == ("NoSuchEntity", 404)


def test_ec2(aws: Any) -> None:
    answer = aws("ec2").describe_instance_types(InstanceTypes=["m5.large"])
    assert [each["InstanceType"] for each in answer["InstanceTypes"]] == ["m5.large"]


def test_logs_speak_camel_case(aws: Any) -> None:
    answer = aws("logs").describe_log_streams(logGroupName="/aws/x", logStreamNamePrefix="job/")
    assert answer["logStreams"] == [{"logStreamName": "job/", "creationTime": 1_700_000_000_000}]


def test_metrics_in_the_newest_protocol(aws: Any) -> None:
    SEEN.clear()
    data = [{"MetricName": "loss", "Value": 0.5, "Dimensions": [{"Name": "a", "Value": "b"}]}]
    aws("cloudwatch").put_metric_data(Namespace="n", MetricData=data * 200)
    assert [{"Namespace": "n", "MetricData": data * 200}] == SEEN
    answer = aws("cloudwatch").get_metric_statistics(
        Namespace="n", MetricName="loss", StartTime=60, EndTime=120, Period=60, Statistics=["Average"]
    )
    assert [(each["Timestamp"].timestamp(), each["Average"]) for each in answer["Datapoints"]] == [(60.0, 1.5)]


STATISTICS = {"Namespace": "n", "MetricName": "loss", "StartTime": 60, "EndTime": 120, "Period": 60}


@pytest.mark.parametrize("packed", [False, True])
def test_metrics_as_json_and_packed(url: str, packed: bool) -> None:
    body = json.dumps(STATISTICS).encode()
    headers = {"X-Amz-Target": "GraniteServiceVersion20100801.GetMetricStatistics"}
    if packed:
        body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
    status, _, answer = send(url, "POST", "/", body, headers, service="monitoring")
    assert (status, json.loads(answer)["Datapoints"]) == (200, [{"Timestamp": 60.0, "Average": 1.5}])


def test_metrics_as_a_form(url: str) -> None:
    form = "Action=GetMetricStatistics&Version=2010-08-01&Namespace=n&MetricName=loss&Period=60&StartTime="
    body = f"{form}1970-01-01T00:01:00Z&EndTime=1970-01-01T00:02:00Z".encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    status, _, answer = send(url, "POST", "/", body, headers, service="monitoring")
    assert status == 200
    assert b"<Timestamp>1970-01-01T00:01:00Z</Timestamp>" in answer


def test_s3_gets_signed_and_unsigned_requests(url: str, aws: Any) -> None:
    s3 = aws("s3", config=Config(s3={"addressing_style": "path"}))
    got = s3.get_object(Bucket="bucket", Key="a b/ü")
    assert got["Body"].read() == b"123456789012 GET /bucket/a%20b/%C3%BC"
    link = s3.generate_presigned_url("get_object", {"Bucket": "bucket", "Key": "k"}, ExpiresIn=60)
    assert plain(url, "GET", link.removeprefix(url))[2].startswith(b"123456789012 GET /bucket/k")
    assert plain(url, "GET", "/bucket/k")[2] == b"nobody GET /bucket/k"


def test_s3_refuses_a_changed_link_in_its_own_words(url: str, aws: Any) -> None:
    link = aws("s3").generate_presigned_url("get_object", {"Bucket": "bucket", "Key": "k"}, ExpiresIn=60)
    status, _, body = plain(url, "GET", link.removeprefix(url).replace("/k?", "/other?"))
    assert (status, b"<Code>SignatureDoesNotMatch</Code>" in body) == (403, True)


def test_an_unknown_key_has_each_services_name_for_it(aws: Any) -> None:
    wrong = {"aws_access_key_id": "AKIDNOBODY"}
    assert refusal(aws("sagemaker", **wrong).list_models)["Error"]["Code"] == "UnrecognizedClientException"
    assert refusal(aws("sts", **wrong).get_caller_identity)["Error"]["Code"] == "InvalidClientTokenId"
    assert refusal(aws("s3", **wrong).list_buckets)["Error"]["Code"] == "InvalidAccessKeyId"
    runtime = aws("sagemaker-runtime", **wrong).invoke_endpoint
    assert refusal(runtime, EndpointName="e", Body=b"")["Error"]["Code"] == "UnrecognizedClientException"


def test_a_wrong_secret_has_each_services_name_for_it(aws: Any) -> None:
    wrong = {"aws_secret_access_key": "wrong"}
    assert refusal(aws("sagemaker", **wrong).list_models)["Error"]["Code"] == "InvalidSignatureException"
    assert refusal(aws("sts", **wrong).get_caller_identity)["Error"]["Code"] == "SignatureDoesNotMatch"
    assert refusal(aws("cloudwatch", **wrong).list_metrics)["Error"]["Code"] == "InvalidSignatureException"


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        ("/", {"X-Amz-Target": "SageMaker.ListModels"}, "MissingAuthenticationTokenException"),
        ("/endpoints/e/invocations", {}, "MissingAuthenticationTokenException"),
        ("/", {"Content-Type": "application/x-www-form-urlencoded"}, "MissingAuthenticationToken"),
    ],
)
def test_unsigned_requests_do_nothing(url: str, path: str, headers: dict[str, str], code: str) -> None:
    body = b"Action=GetCallerIdentity&Version=2011-06-15"
    status, given, answer = plain(url, "POST", path, body, headers)
    assert 400 <= status < 404
    assert code in answer.decode() + given.get("x-amzn-errortype", "")


@pytest.mark.parametrize(
    ("headers", "service", "code"),
    [
        ({"X-Amz-Target": "SageMaker.NoSuch"}, "sagemaker", "UnknownOperationException"),
        ({"X-Amz-Target": "NoSuch.ListModels"}, "sagemaker", "UnknownOperationException"),
        ({}, "sagemaker", "UnknownOperationException"),
        ({"X-Amz-Target": "SageMaker.ListModels"}, "nosuch", "InvalidSignatureException"),
        ({"X-Amz-Target": "SageMaker.ListModels"}, "sts", "InvalidSignatureException"),
        (
            {"X-Amz-Target": "SageMaker.DescribeModel", "Content-Encoding": "gzip"},
            "sagemaker",
            "SerializationException",
        ),
    ],
)
def test_what_no_service_knows_is_refused(url: str, headers: dict[str, str], service: str, code: str) -> None:
    status, given, answer = send(url, "POST", "/", b"{", headers, service)
    assert 400 <= status < 500
    assert code in answer.decode()
    assert "x-amzn-requestid" in given


def test_a_bomb_is_defused(url: str) -> None:
    body = gzip.compress(b" " * (64 << 20))
    headers = {"X-Amz-Target": "SageMaker.DescribeModel", "Content-Encoding": "gzip"}
    assert send(url, "POST", "/", body, headers)[0] == 413


def test_a_body_beyond_the_limit_is_not_read(url: str) -> None:
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), 60) as raw:
        raw.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: SageMaker.ListModels\r\nContent-Length: 99999999\r\n\r\n"
        )
        assert b" 413 " in raw.recv(4096).split(b"\r\n")[0]


@pytest.mark.parametrize(
    "raw",
    [
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: AWS4-HMAC-SHA256 \xff\xfe\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 10_000 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_the_server_outlives_odd_bytes(url: str, raw: bytes) -> None:
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), 60) as sent:
        sent.sendall(raw)
        sent.settimeout(1)
        with suppress(TimeoutError, ConnectionError):
            sent.recv(4096)
    assert plain(url, "GET", "/clary/health")[0] == 200


def plain(
    url: str, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request(method, target, body or None, headers or {})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def send(
    url: str, method: str, target: str, body: bytes, headers: dict[str, str], service: str = "sagemaker"
) -> tuple[int, dict[str, str], bytes]:
    """A well-signed request that no client of AWS would write."""
    request = AWSRequest(method, url + target, headers, body)
    SigV4Auth(Credentials(ACCESS_KEY, SECRET), service, "us-east-1").add_auth(request)
    return plain(url, method, target, body, dict(request.headers.items()))
