"""What is decided about asynchronous requests: places, failures, retries, messages, seats, metrics."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.capabilities.endpoints.asynchronous.tickets import TOPICS, request, ticket

from clary.capabilities.endpoints.asynchronous import config, ending, metrics, notify
from clary.capabilities.endpoints.asynchronous.journal import line
from clary.capabilities.endpoints.asynchronous.queue import Depth
from clary.capabilities.endpoints.asynchronous.seating import Bench
from clary.capabilities.endpoints.asynchronous.ticket import Answer, Topics
from clary.capabilities.endpoints.asynchronous.work import Seat, content_type
from clary.companions.sns import envelope
from clary.serving.reply import Broken, HttpError, TimedOut, TooLarge, Unreachable
from clary.wire.errors import ValidationException

GOOD = Answer(ok=True, content_type="text/csv", size=3, at=1_700_000_009.5, variant="v", workload="w")
BAD = Answer(ok=False, content_type="text/plain; charset=utf-8", reason="ClientError: no.", at=1_700_000_009.5)


@pytest.mark.parametrize(
    ("path", "extension", "uri"),
    [
        ("s3://b/out/", "", "s3://b/out/n.out"),
        ("s3://b", "", "s3://b/n.out"),
        ("s3://b/out", "/day/1/", "s3://b/out/day/1/n.out"),
        ("https://b.s3.us-east-1.amazonaws.com/out", "x", "s3://b/out/x/n.out"),
    ],
)
def test_place_of_an_answer(path: str, extension: str, uri: str) -> None:
    assert config.location(path, extension, "n.out") == uri


def test_places_where_the_configuration_says_nothing() -> None:
    empty: dict[str, Any] = {"OutputConfig": {}}
    default = "s3://sagemaker-eu-west-1-1/async-endpoint-outputs/e"
    assert config.output_path(empty, "1", "eu-west-1", "e") == default
    assert config.failure_path(empty, "1", "eu-west-1", "e") == default
    assert config.concurrent(empty) == config.CONCURRENT
    assert config.concurrent({"ClientConfig": {"MaxConcurrentInvocationsPerInstance": 9}}) == 9


def test_topics_of_a_configuration() -> None:
    told = {"SuccessTopic": "a", "ErrorTopic": "b", "IncludeInferenceResponseIn": ["ERROR_NOTIFICATION_TOPIC"]}
    topics = config.topics({"OutputConfig": {"NotificationConfig": told}})
    assert topics == Topics(success="a", error="b", include_error=True)
    assert (topics.of(True), topics.of(False), topics.includes(True), topics.includes(False)) == ("a", "b", False, True)
    assert config.topics({"OutputConfig": {}}) == Topics()


@pytest.mark.parametrize(
    "changed",
    [
        {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "https://elsewhere/x"}}},
        {"ShadowProductionVariants": [{}]},
        {"ProductionVariants": [{"ModelName": "plain", "ServerlessConfig": {"MaxConcurrency": 1}}]},
        {"ProductionVariants": [{}]},
        {"ProductionVariants": [{"ModelName": "plain"}, {"ModelName": "several"}]},
        {"ProductionVariants": [{"ModelName": "direct"}]},
    ],
)
def test_configurations_that_cannot_be(changed: dict[str, Any]) -> None:
    models: dict[str, dict[str, Any]] = {
        "plain": {"PrimaryContainer": {"Mode": "SingleModel"}},
        "several": {"PrimaryContainer": {"Mode": "MultiModel"}},
        "direct": {"Containers": [{}, {}], "InferenceExecutionConfig": {"Mode": "Direct"}},
    }
    given: dict[str, Any] = {
        "ProductionVariants": [{"ModelName": "plain"}],
        "AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://b/x"}},
    }
    config.check(given, models.__getitem__)
    config.check({"ProductionVariants": [{"ModelName": "direct"}]}, models.__getitem__)
    with pytest.raises(ValidationException):
        config.check(given | changed, models.__getitem__)


@pytest.mark.parametrize(
    ("error", "attempts", "seconds", "then"),
    [
        (Unreachable("x"), 0, 0.5, 0),
        (Unreachable("x"), 50, 0.5, 50),
        (Broken("x"), 0, 1.0, 1),
        (Broken("x"), 1, 1.0, 2),
        (Broken("x"), 2, None, 3),
        (TimedOut("x"), 0, None, 1),
        (TooLarge("x"), 0, None, 1),
    ],
)
def test_when_a_call_without_an_answer_is_made_again(
    error: HttpError, attempts: int, seconds: float | None, then: int
) -> None:
    tried = request(attempts=attempts)
    assert (ending.again(tried, error), ending.attempts(tried, error)) == (seconds, then)


def test_failures_are_said_as_aws_does() -> None:
    assert ending.model_error("primary", 500, "boom", "URL") == (
        'Received server error (500) from primary with message "boom". See URL for more information.',
        "ClientError: Received server error (500) from primary. "
        "See the SageMaker Endpoint logs in your account for more information.",
    )
    assert ending.no_answer(request(), "primary", TimedOut("x")) == (
        "Received server error (0) from primary with message "
        '"Your invocation timed out while waiting for a response from container primary".',
        "ClientError: Your invocation timed out while waiting for a response from container primary.",
    )


def test_message_of_a_success() -> None:
    assert json.loads(notify.message(request(GOOD))) == {
        "awsRegion": "us-east-1",
        "eventTime": "2023-11-14T22:13:29.500Z",
        "receivedTime": "2023-11-14T22:13:20.000Z",
        "invocationStatus": "Completed",
        "requestParameters": {"contentType": "text/csv", "endpointName": "e", "inputLocation": "s3://b/in.csv"},
        "responseParameters": {"contentType": "text/csv", "outputLocation": "s3://b/out/1.out"},
        "inferenceId": "mine",
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    assert notify.topic(request(GOOD)) == TOPICS.success


def test_message_of_a_failure_with_what_the_model_said() -> None:
    included = Answer(
        ok=False, content_type="text/plain", reason="ClientError: no.", at=1_700_000_009.5, included="bm8="
    )
    told = json.loads(notify.message(request(included)))
    assert (told["invocationStatus"], told["failureReason"]) == ("Failed", "ClientError: no.")
    assert told["responseParameters"] == {"contentType": "text/plain", "failureLocation": "s3://b/bad/1-error.out"}
    assert told["responseBody"] == {"content": "bm8=", "encoding": "BASE64"}
    assert notify.topic(request(included)) == TOPICS.error


def test_envelope_of_the_test_message() -> None:
    test = request(ticket=ticket(test="arn:topic"))
    told = notify.told(test)
    found = envelope(told, 1_700_000_000.0)
    assert json.loads(found.pop("Message")) == {
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "TestNotification",
    }
    assert found == {
        "Type": "Notification",
        "MessageId": told.id,
        "TopicArn": "arn:topic",
        "Timestamp": "2023-11-14T22:13:20.000Z",
    }
    assert told.id == notify.told(test).id != notify.told(request(GOOD, id="other")).id


def test_lines_of_the_data_log() -> None:
    assert line(request(BAD), 0.0) == (
        "2023-11-14T22:13:29.500Z:[sagemaker logs] [mine] Inference request failed. ClientError: no. "
        "Failure location: s3://b/bad/1-error.out"
    )
    assert line(request(GOOD), 0.25) == (
        "2023-11-14T22:13:29.500Z:[sagemaker logs] [mine] Inference request succeeded. ModelLatency: 0 us, "
        "RequestDownloadLatency: 0 us, ResponseUploadLatency: 250000 us, TimeInBacklog: 9500000 us, "
        "TotalProcessingTime: 9500000 us. Output location: s3://b/out/1.out"
    )


def test_instances_fill_evenly_up_to_their_limit() -> None:
    bench = Bench()
    offered = [(1.0, seat("a")), (1.0, seat("b"))]
    first = bench.free(offered, 2)
    assert sorted(each.workload for each in first[:2]) == ["a", "b"]
    assert sorted(each.workload for each in first[2:]) == ["a", "b"]
    bench.take("e", "r1", "a")
    bench.take("e", "r2", "a")
    bench.take("other", "r3", "c")
    assert [each.workload for each in bench.free(offered, 2)] == ["b", "b"]
    assert bench.of("e") == ["r1", "r2"]
    bench.leave("r1")
    assert sorted(each.workload for each in bench.free(offered, 2)) == ["a", "b", "b"]


def seat(workload: str) -> Seat:
    return Seat("v", workload, ("primary",), (Path(workload),))


@pytest.mark.parametrize(
    ("size", "instances", "told"),
    [
        (0, 0, {"ApproximateBacklogSize": 0, "ApproximateAgeOfOldestRequest": 0, "HasBacklogWithoutCapacity": 0}),
        (3, 0, {"ApproximateBacklogSize": 3, "ApproximateAgeOfOldestRequest": 9, "HasBacklogWithoutCapacity": 1}),
        (
            3,
            2,
            {
                "ApproximateBacklogSize": 3,
                "ApproximateAgeOfOldestRequest": 9,
                "HasBacklogWithoutCapacity": 0,
                "ApproximateBacklogSizePerInstance": 1.5,
            },
        ),
    ],
)
def test_metrics_of_a_backlog(size: int, instances: int, told: dict[str, float]) -> None:
    found = metrics.backlog("e", Depth(size, 1.0), instances, 10.0)
    assert {metric.name: sample.total for metric, sample in found} == told
    assert {metric.dimensions for metric, _ in found} == {(("EndpointName", "e"),)}


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ({"content-type": "text/csv; charset=utf-8"}, "text/csv; charset=utf-8"),
        ({}, "binary/octet-stream"),
        ({"content-type": "a\r\n b"}, "binary/octet-stream"),
        ({"content-type": "\u00e9"}, "binary/octet-stream"),
    ],
)
def test_type_of_an_answers_object(told: dict[str, str], kept: str) -> None:
    assert content_type(told) == kept


def test_tallies_are_taken_once() -> None:
    tallies, place = metrics.Tallies(), ("1", "r", "e", "v")
    tallies.count(place, "InvocationFailures")
    tallies.count(place, "InvocationFailures", "ExpiredRequests")
    tallies.time(place, "ModelLatency", 0.5)
    found = tallies.take(10.0)[("1", "r")]
    assert {(metric.name, sample.unit, sample.total) for metric, sample in found} == {
        ("InvocationFailures", "Count", 2),
        ("ExpiredRequests", "Count", 1),
        ("ModelLatency", "Microseconds", 500_000),
    }
    assert {metric.dimensions for metric, _ in found} == {(("EndpointName", "e"), ("VariantName", "v"))}
    assert tallies.take(11.0) == {}
