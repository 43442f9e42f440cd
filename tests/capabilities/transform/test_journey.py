"""Transform jobs that really run: boto3, server, controller, drivers, shims, a model server with a user's script."""

import json
import re
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.capabilities.endpoints.account import kill
from tests.capabilities.transform.journey import BUCKET, Journey, request
from tests.servers import PATIENCE, wait_until

from clary.resources.store import DATABASE_FILE, Store


@pytest.fixture(scope="session")
def begun(journey: Journey) -> Journey:
    """All jobs, made at once: they share the machine while the tests look at them one by one."""
    journey.put("many/in/a.csv.gz", "i,a\nj,b\n", zipped=True)
    journey.put("many/in/dir/b.csv.gz", "k,c", zipped=True)
    journey.put("many/in/empty.gz", "", zipped=True)
    journey.put("many/in/folder/", "")
    journey.create(
        "many",
        "many/in",
        instances=2,
        TransformInput={"CompressionType": "Gzip"},
        DataProcessing={"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"},
        DataCaptureConfig={"DestinationS3Uri": f"s3://{BUCKET}/many/captured", "GenerateInferenceId": True},
        Tags=[{"Key": "team", "Value": "blue"}],
        ExperimentConfig={"ExperimentName": "e", "TrialName": "t"},
    )
    for key, body in {"good": "1,a", "wrong": "1,a\nbad\n2,b", "last/x y": "2,b", "told": "told", "other": "-"}.items():
        journey.put(f"partial/in/{key}", body)
    names = ["good", "wrong", "last/x y", "good", "told"]
    journey.put("partial/manifest", json.dumps([{"prefix": f"s3://{BUCKET}/partial/in/"}, *names]))
    journey.create(
        "partial",
        "partial/manifest",
        S3DataSource={"S3DataType": "ManifestFile"},
        ModelClientConfig={"InvocationsMaxRetries": 0},
        MaxConcurrentTransforms=3,
        MaxPayloadInMB=2,
        BatchStrategy="SingleRecord",
        Environment={"MINE": "job's"},
    )
    journey.put("stopped/in/0", "quick")
    journey.put("stopped/in/1", "slow\n" * 6000)
    journey.create("stopped", BatchStrategy="SingleRecord")
    journey.put("dies/in/0", "die")
    journey.create("dies", ModelClientConfig={"InvocationsTimeoutInSeconds": 60, "InvocationsMaxRetries": 3})
    journey.put("row/in/a", "a\nb")
    journey.create("row", ModelName="row", BatchStrategy="SingleRecord")
    return journey


def test_objects_are_filtered_joined_and_numbered(begun: Journey) -> None:
    """Gzipped, on two instances, which share the objects."""
    described = begun.finished("many")
    assert described["TransformJobStatus"] == "Completed", begun.told("many")
    out = {key: [line.split(",") for line in text.splitlines()] for key, text in begun.out("many").items()}
    stamp = described["CreationTime"].strftime("%Y-%m-%dT%H:%M:%SZ")
    assert {key: [[row[0], row[1], row[3]] for row in rows] for key, rows in out.items()} == {
        "a.csv.gz.out": [["i", "A", stamp], ["j", "B", stamp]],
        "dir/b.csv.gz.out": [["k", "C", stamp]],
        "empty.gz.out": [],
    }
    assert len({row[2] for rows in out.values() for row in rows}) == 3


def test_what_was_captured(begun: Journey) -> None:
    begun.finished("many")
    found = begun.stored("many/captured/")
    assert {re.sub(r"\d{4}(/\d\d){3}/[0-9a-f-]{36}", "when", key) for key in found} == {
        "input/when.json",
        "output/when.json",
    }
    told = {key.partition("/")[0]: json.loads(text) for key, text in found.items()}
    assert {side: (one[0], sorted(one[1:])) for side, one in told.items()} == {
        "input": ({"prefix": f"s3://{BUCKET}/many/in/"}, ["a.csv.gz", "dir/b.csv.gz", "empty.gz"]),
        "output": ({"prefix": f"s3://{BUCKET}/many/out/"}, ["a.csv.gz.out", "dir/b.csv.gz.out", "empty.gz.out"]),
    }


def test_describe_and_list(begun: Journey) -> None:
    described = begun.finished("many")
    told = {
        name: value for name, value in described.items() if not name.endswith("Time") and name != "ResponseMetadata"
    }
    given = request(
        "many",
        "many/in",
        instances=2,
        TransformInput={"CompressionType": "Gzip"},
        DataProcessing={"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"},
        DataCaptureConfig={"DestinationS3Uri": f"s3://{BUCKET}/many/captured", "GenerateInferenceId": True},
        ExperimentConfig={"ExperimentName": "e", "TrialName": "t"},
    )
    arn = "arn:aws:sagemaker:us-east-1:123456789012:transform-job/many"
    assert told == given | {"TransformJobArn": arn, "TransformJobStatus": "Completed"}
    assert described["CreationTime"] <= described["TransformStartTime"] <= described["TransformEndTime"]
    assert begun.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "blue"}]
    listed = begun.sagemaker.list_transform_jobs(StatusEquals="Completed", NameContains="man")["TransformJobSummaries"]
    assert [(one["TransformJobName"], one["TransformEndTime"]) for one in listed] == [
        ("many", described["TransformEndTime"])
    ]


def test_logs_and_metrics(begun: Journey) -> None:
    begun.finished("many")
    streams = begun.streams("many")
    hosts = {re.fullmatch(r"many/(i-[0-9a-f]{17})-\d{13}(/data-log)?", name)[1] for name in streams}  # type: ignore[index]
    assert len(hosts) == 2 and len(streams) == 4
    for name, lines in streams.items():
        if name.endswith("data-log"):
            assert [re.sub(r"Transforms=\d+", "Transforms=n", line.partition("]: ")[2]) for line in lines] == [
                "MaxConcurrentTransforms=n, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD"
            ]
        else:
            # The workers write at the same time.
            assert any("loaded" in line and "true" in line for line in lines)
    found = begun.cloudwatch.list_metrics(Namespace="/aws/sagemaker/TransformJobs", MetricName="MemoryUtilization")
    dimensions = [metric["Dimensions"] for metric in found["Metrics"]]
    assert all(one[0]["Name"] == "Host" for one in dimensions)
    assert {f"many/{host}" for host in hosts} <= {one[0]["Value"] for one in dimensions}


def test_an_object_that_fails_is_named_and_the_others_are_done(begun: Journey) -> None:
    """A manifest, which names one object twice, and a key with a space."""
    described = begun.finished("partial")
    assert (described["TransformJobStatus"], described["FailureReason"]) == (
        "Failed",
        "AlgorithmError: See job logs for more information",
    )
    out = begun.out("partial")
    told = json.loads(out.pop("told.out"))
    assert out == {"good.out": "A\n", "last/x y.out": "B\n"}
    assert {name: value for name, value in told.items() if name != "SAGEMAKER_REGION"} == {
        "MINE": "job's",
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_BATCH_STRATEGY": "SINGLE_RECORD",
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "3",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "2",
    }
    lines = begun.data_log("partial")
    assert lines[:4] == [
        "MaxConcurrentTransforms=3, MaxPayloadInMB=2, BatchStrategy=SINGLE_RECORD",
        f"{BUCKET}/partial/in/wrong: Bad HTTP status received from algorithm: 500",
        f"{BUCKET}/partial/in/wrong: ",
        f"{BUCKET}/partial/in/wrong: Message:",
    ]
    assert lines[4] == f"{BUCKET}/partial/in/wrong: bad is bad"


def stopped(begun: Journey) -> dict[str, Any]:
    """The job that would run for minutes, after its first object. May be asked twice."""
    wait_until(lambda: begun.out("stopped"), PATIENCE, lambda: begun.told("stopped"))
    if begun.describe("stopped")["TransformJobStatus"] == "InProgress":
        begun.sagemaker.stop_transform_job(TransformJobName="stopped")
    return begun.finished("stopped")


def test_a_job_that_is_stopped_keeps_what_is_whole(begun: Journey) -> None:
    described = stopped(begun)
    assert described["TransformJobStatus"] == "Stopped" and "FailureReason" not in described
    assert begun.out("stopped") == {"0.out": "QUICK\n"}
    with pytest.raises(ClientError, match="because the transform job is in status Stopped"):
        begun.sagemaker.stop_transform_job(TransformJobName="stopped")


def test_a_container_that_dies_fails_the_job(begun: Journey) -> None:
    described = begun.finished("dies")
    assert (described["TransformJobStatus"], described["FailureReason"]) == (
        "Failed",
        "AlgorithmError: See job logs for more information",
    )
    assert begun.out("dies") == {}


def test_containers_in_a_row(begun: Journey) -> None:
    """Each record goes through both."""
    assert begun.finished("row")["TransformJobStatus"] == "Completed", begun.told("row")
    assert begun.out("row") == {"a.out": "A!\nB!\n"}


def over(journey: Journey) -> bool:
    return journey.describe("killed")["TransformJobStatus"] != "InProgress"


def test_killed_controller_and_drivers(journey: Journey) -> None:
    """kill -9 of either, again and again: one end, and every object once and whole. Other jobs keep their drivers."""
    bodies = {f"{number}.csv": "".join(f"slower,{number}-{line}\n" for line in range(4)) for number in range(8)}
    for key, body in bodies.items():
        journey.put(f"killed/in/{key}", body)
    journey.create("killed", BatchStrategy="SingleRecord", MaxConcurrentTransforms=2)
    victims = []
    finds = {"driver": partial(journey.drivers, "killed"), "controller": partial(journey.processes, "clary.controller")}
    for kind in ("driver", "controller", "driver"):
        known = len(journey.out("killed"))
        found = finds[kind]
        wait_until(lambda known=known: len(journey.out("killed")) > known or over(journey))  # type: ignore[misc]
        wait_until(lambda found=found: found() or over(journey))  # type: ignore[misc]
        if dying := found():
            kill(dying)
            victims.append(kind)
    assert set(victims) == finds.keys()
    assert journey.finished("killed")["TransformJobStatus"] == "Completed", journey.told("killed")
    assert journey.out("killed") == {f"{key}.out": body.replace("slower,", "") for key, body in bodies.items()}
    store = Store(f"sqlite:///{journey.clary.home / DATABASE_FILE}")
    finals = [event.status for event in store.events(journey.record("killed").id) if event.status != "InProgress"]
    store.close()
    assert finals == ["Completed"]


def test_nothing_is_left(begun: Journey) -> None:
    stopped(begun)
    for name in ("many", "partial", "dies", "row"):
        begun.finished(name)
    wait_until(begun.gone, PATIENCE, lambda: str(list((begun.clary.home / "jobs").iterdir())))
