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
    time.sleep(0.05)
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
    """Endpoint `e`, which no test changes, and `drained` for the one that does."""
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
    for name in ("e", "drained"):
        account.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName="queued")
    for name in ("e", "drained"):
        account.await_status(name, "InService")
    return account


class Inbox:
    """What the topic of successes was told, by any endpoint: each object is read once."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._read: dict[str, dict[str, Any]] = {}

    def messages(self) -> list[dict[str, Any]]:
        """Also while servers come and go: what is known by then."""
        with contextlib.suppress(Exception):
            for key in keys(self._account, "told/"):
                if key not in self._read:
                    text = self._account.s3.get_object(Bucket="models", Key=key)["Body"].read()
                    self._read[key] = json.loads(json.loads(text)["Message"])
        return [*self._read.values()]

    def of(self, ids: set[str]) -> list[dict[str, Any]]:
        """The messages about these requests."""
        return [each for each in self.messages() if each.get("inferenceId") in ids]


@pytest.fixture(scope="module")
def inbox(account: Account) -> Inbox:
    return Inbox(account)


def ask(account: Account, body: str, **request: Any) -> dict[str, Any]:
    given = {"EndpointName": "e", "Body": body.encode(), "ContentType": "text/csv"} | request
    answer: dict[str, Any] = account.runtime.invoke_endpoint_async(**given)
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


def test_answers_failures_and_notifications(account: Account, inbox: Inbox) -> None:
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

    good, failed = {"mine", second["InferenceId"]}, {"bad-one", gone["InferenceId"]}
    wait_until(lambda: {each["inferenceId"] for each in inbox.of(good)} == good)
    (mine,) = inbox.of({"mine"})
    assert mine["responseBody"] == {"content": "SEVMTE8=", "encoding": "BASE64"}
    wait_until(lambda: {each["inferenceId"] for each in failures(account) if "inferenceId" in each} >= failed)
    statuses = [each["invocationStatus"] for each in failures(account) if each.get("inferenceId") in failed]
    assert (statuses, inbox.of(failed)) == (["Failed", "Failed"], [])
    for messages in (inbox.messages, lambda: failures(account)):
        wait_until(lambda messages=messages: "TestNotification" in {each["eventName"] for each in messages()})
    wait_until(lambda: any("[mine] Inference request succeeded." in line for line in data_log(account)))


def failures(account: Account) -> list[dict[str, Any]]:
    return [json.loads(json.loads(each)["Message"]) for each in told(account, "sns/us-east-1/123456789012/bad")]


def data_log(account: Account) -> list[str]:
    group = "/aws/sagemaker/Endpoints/e"
    streams = account.logs.describe_log_streams(logGroupName=group)["logStreams"]
    (name,) = (each["logStreamName"] for each in streams if each["logStreamName"].endswith("/data-log"))
    return told(account, group, name)


def test_every_request_is_answered_once_through_kills(server: Clary, account: Account, inbox: Inbox) -> None:
    ids = {f"kills-{number}" for number in range(MANY)}
    asked = [
        ask(account, f"n{number}", S3OutputPathExtension="kills", InferenceId=f"kills-{number}")
        for number in range(MANY)
    ]
    for _ in range(2):
        done = len(keys(account, "out/kills/"))
        wait_until(lambda done=done: len(keys(account, "out/kills/")) >= min(done + 1, MANY))
        kill(children(server, "clary.controller"))
    (watching, *workers) = children(server, "clary.workers")
    assert {each.ppid() for each in workers} == {watching.pid}
    kill(workers)
    wait_until(lambda: {each["inferenceId"] for each in inbox.of(ids)} == ids)
    assert sorted(keys(account, "out/kills/")) == sorted(
        each["OutputLocation"][len("s3://models/") :] for each in asked
    )
    assert len(inbox.of(ids)) == MANY
    assert sorted(read(account, each["OutputLocation"])["Text"] for each in asked) == sorted(
        f"N{number}" for number in range(MANY)
    )


def children(server: Clary, word: str) -> list[psutil.Process]:
    found = psutil.Process(server.process.pid).children(recursive=True)
    return [each for each in found if any(word in part for part in words(each))]


def test_a_backlog_is_drained_once_there_are_instances_and_fails_with_its_endpoint(account: Account) -> None:
    assert resized(account, 0) == 0
    asked = [ask(account, f"z{number}", EndpointName="drained") for number in range(10)]
    wait_until(lambda: newest(account, "HasBacklogWithoutCapacity") == 1)
    wait_until(lambda: newest(account, "ApproximateBacklogSize"))
    assert resized(account, 1) == 1
    texts = [read(account, each["OutputLocation"])["Text"] for each in asked]
    assert texts == [f"Z{number}" for number in range(10)]

    assert resized(account, 0) == 0
    late = ask(account, "late", EndpointName="drained")
    wait_until(lambda: newest(account, "InvocationsProcesssed", VariantName="v") is not None)
    account.delete("drained")
    assert "The endpoint was deleted" in read(account, late["FailureLocation"])["Text"]
    with pytest.raises(ClientError, match="not found"):
        ask(account, "too late", EndpointName="drained")


def resized(account: Account, count: int) -> int:
    """How many instances there are afterwards."""
    wanted = [{"VariantName": "v", "DesiredInstanceCount": count}]
    account.sagemaker.update_endpoint_weights_and_capacities(EndpointName="drained", DesiredWeightsAndCapacities=wanted)
    (variant,) = account.await_status("drained", "InService")["ProductionVariants"]
    return int(variant["CurrentInstanceCount"])


def newest(account: Account, name: str, **more: str) -> float | None:
    dimensions = [{"Name": key, "Value": value} for key, value in ({"EndpointName": "drained"} | more).items()]
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
