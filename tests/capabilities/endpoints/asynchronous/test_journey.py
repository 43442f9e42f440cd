"""Asynchronous endpoints as a client sees them: every accepted request ends once, whatever is killed meanwhile."""

import contextlib
import json
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError
from tests.capabilities.endpoints.account import SKLEARN, Account, kill, words
from tests.servers import Clary, wait_until
from tests.serving.artefacts import echo_archive

SCRIPT = """
import time

def model_fn(model_dir):
    return None

def transform_fn(model, body, content_type, accept):
    time.sleep(0.02)
    if body == "bad":
        raise ValueError("this one is bad")
    print("asked", body, flush=True)
    return body.upper(), content_type
"""
GOOD, BAD = (f"arn:aws:sns:us-east-1:123456789012:{name}" for name in ("good", "bad"))
MANY = 40


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clary]:
    topics = json.dumps({GOOD: "s3://models/told/"})
    with Clary(tmp_path_factory.mktemp("asynchronous") / "home", sns_topics=topics) as clary:
        yield clary.start()


@pytest.fixture(scope="module")
def account(server: Clary, tmp_path_factory: pytest.TempPathFactory) -> Account:
    folder = tmp_path_factory.mktemp("shout")
    account = Account(server, echo_archive(folder))
    (folder / "inference.py").write_text(SCRIPT)
    with tarfile.open(folder / "model.tar.gz", "w:gz") as tar:
        tar.add(folder / "inference.py", "code/inference.py")
    account.model("shout", SKLEARN, folder / "model.tar.gz")
    topics = {"SuccessTopic": GOOD, "ErrorTopic": BAD, "IncludeInferenceResponseIn": ["SUCCESS_NOTIFICATION_TOPIC"]}
    output = {"S3OutputPath": "s3://models/out", "S3FailurePath": "s3://models/bad", "NotificationConfig": topics}
    account.sagemaker.create_endpoint_config(
        EndpointConfigName="queued",
        ProductionVariants=[
            {"VariantName": "v", "ModelName": "shout", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        ],
        AsyncInferenceConfig={
            "OutputConfig": output,
            "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 2},
        },
    )
    account.create("e", "queued")
    return account


def ask(account: Account, body: str, **request: Any) -> dict[str, Any]:
    given = {"Body": body.encode(), "ContentType": "text/csv"} | request
    answer: dict[str, Any] = account.runtime.invoke_endpoint_async(EndpointName="e", **given)
    return answer


def read(account: Account, uri: str) -> dict[str, Any]:
    """The object, once it is there."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    wait_until(lambda: key in keys(account, key), otherwise=lambda: f"no {uri}")
    found: dict[str, Any] = account.s3.get_object(Bucket=bucket, Key=key)
    return found | {"Text": found["Body"].read().decode()}


def keys(account: Account, prefix: str) -> list[str]:
    pages = account.s3.get_paginator("list_objects_v2").paginate(Bucket="models", Prefix=prefix)
    return [each["Key"] for page in pages for each in page.get("Contents", [])]


def told(account: Account, group: str, stream: str = "notifications") -> list[str]:
    with contextlib.suppress(account.logs.exceptions.ResourceNotFoundException):
        pages = account.logs.get_paginator("filter_log_events").paginate(logGroupName=group, logStreamNames=[stream])
        return [event["message"] for page in pages for event in page["events"]]
    return []


def test_answers_failures_and_notifications(account: Account) -> None:
    with pytest.raises(ClientError, match="asynchronous endpoint") as refused:
        account.invoke("e")
    assert refused.value.response["Error"]["Code"] == "ValidationError"
    described = account.sagemaker.describe_endpoint(EndpointName="e")
    assert described["AsyncInferenceConfig"]["ClientConfig"] == {"MaxConcurrentInvocationsPerInstance": 2}

    first = ask(account, "hello", InferenceId="mine", S3OutputPathExtension="day/1", Filename="a.txt")
    assert first["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert (first["InferenceId"], first["OutputLocation"]) == ("mine", "s3://models/out/day/1/a.txt")
    answered = read(account, first["OutputLocation"])
    assert (answered["Text"], answered["ContentType"]) == ("HELLO", "text/csv")

    account.s3.put_object(Bucket="models", Key="in/1.csv", Body=b"from s3")
    second = ask(account, "", Body=b"", InputLocation="s3://models/in/1.csv")
    assert read(account, second["OutputLocation"])["Text"] == "FROM S3"
    bad = ask(account, "bad", InferenceId="bad-one")
    assert "Received server error (500) from primary" in read(account, bad["FailureLocation"])["Text"]
    gone = ask(account, "", Body=b"", InputLocation="s3://models/in/none.csv")
    assert "there is no object" in read(account, gone["FailureLocation"])["Text"]
    for wrong in ({"InputLocation": "s3://models/in/1.csv"}, {"Body": b""}):
        with pytest.raises(ClientError, match="exactly one"):
            ask(account, "x", **wrong)

    wait_until(lambda: len(keys(account, "told/")) == 3)
    messages = [
        json.loads(json.loads(read(account, f"s3://models/{key}")["Text"])["Message"]) for key in keys(account, "told/")
    ]
    by_id = {each.get("inferenceId", each["eventName"]): each for each in messages}
    assert by_id["mine"]["responseBody"] == {"content": "SEVMTE8=", "encoding": "BASE64"}
    assert by_id.keys() == {"mine", second["InferenceId"], "TestNotification"}
    wait_until(lambda: len(told(account, "sns/us-east-1/123456789012/bad")) == 3)
    failures = [json.loads(json.loads(each)["Message"]) for each in told(account, "sns/us-east-1/123456789012/bad")]
    assert [each.get("invocationStatus") for each in failures].count("Failed") == 2
    assert any("[mine] Inference request succeeded." in line for line in data_log(account))


def data_log(account: Account) -> list[str]:
    group = "/aws/sagemaker/Endpoints/e"
    streams = account.logs.describe_log_streams(logGroupName=group)["logStreams"]
    (name,) = (each["logStreamName"] for each in streams if each["logStreamName"].endswith("/data-log"))
    return told(account, group, name)


def test_every_request_is_answered_once_through_kills(server: Clary, account: Account) -> None:
    before = len(keys(account, "told/"))
    asked = [ask(account, f"n{number}", S3OutputPathExtension="kills") for number in range(MANY)]
    for _ in range(2):
        done = len(keys(account, "out/kills/"))
        wait_until(lambda done=done: len(keys(account, "out/kills/")) > done)
        kill(children(server, "clary.controller"))
    kill(children(server, "granian"))
    wait_until(lambda: len(calmly(account, "told/")) >= before + MANY)
    assert sorted(keys(account, "out/kills/")) == sorted(
        each["OutputLocation"][len("s3://models/") :] for each in asked
    )
    assert len(keys(account, "told/")) == before + MANY
    assert sorted(read(account, each["OutputLocation"])["Text"] for each in asked) == sorted(
        f"N{number}" for number in range(MANY)
    )


def children(server: Clary, word: str) -> list[psutil.Process]:
    found = psutil.Process(server.process.pid).children(recursive=True)
    return [each for each in found if any(word in part for part in words(each))]


def calmly(account: Account, prefix: str) -> list[str]:
    """While servers come and go."""
    with contextlib.suppress(Exception):
        return keys(account, prefix)
    return []


def test_a_backlog_is_kept_at_zero_instances_and_drained_afterwards(account: Account) -> None:
    resize(account, 0)
    assert account.await_status("e", "InService")["ProductionVariants"][0]["CurrentInstanceCount"] == 0
    asked = [ask(account, f"z{number}") for number in range(10)]
    wait_until(lambda: newest(account, "HasBacklogWithoutCapacity") == 1)
    assert newest(account, "ApproximateBacklogSize")
    resize(account, 1)
    texts = [read(account, each["OutputLocation"])["Text"] for each in asked]
    assert texts == [f"Z{number}" for number in range(10)]
    assert newest(account, "InvocationsProcesssed", VariantName="v") is not None


def resize(account: Account, count: int) -> None:
    wanted = [{"VariantName": "v", "DesiredInstanceCount": count}]
    account.sagemaker.update_endpoint_weights_and_capacities(EndpointName="e", DesiredWeightsAndCapacities=wanted)


def newest(account: Account, name: str, **more: str) -> float | None:
    dimensions = [{"Name": key, "Value": value} for key, value in ({"EndpointName": "e"} | more).items()]
    now = datetime.now(UTC)
    found = account.cloudwatch.get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName=name,
        Dimensions=dimensions,
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=1),
        Period=1,
        Statistics=["Maximum"],
    )["Datapoints"]
    return max(found, key=lambda each: each["Timestamp"])["Maximum"] if found else None


def test_what_waits_when_its_endpoint_is_deleted_fails(account: Account) -> None:
    resize(account, 0)
    account.await_status("e", "InService")
    asked = ask(account, "late")
    account.delete("e")
    assert "The endpoint was deleted" in read(account, asked["FailureLocation"])["Text"]
    with pytest.raises(ClientError, match="not found"):
        ask(account, "too late")
