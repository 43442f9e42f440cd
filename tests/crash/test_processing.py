"""The controller killed while processing jobs are made, run and uploaded: one end, and all outputs by then."""

import random
import threading
from typing import Any

import pytest
from tests.capabilities.processing.records import ROOT, request
from tests.crash.controllers import BUCKET, FINAL, Stage
from tests.servers import PATIENCE, wait_until

pytestmark = pytest.mark.timeout(600)

SCRIPT = (
    f"echo begun; for n in $(seq 40); do echo $n > {ROOT}/flow/$n; echo $n >> {ROOT}/flow/all; sleep 0.1; done; "
    f"cp {ROOT}/in/a {ROOT}/end/a; echo said > /opt/ml/output/message"
)
SHORT = f"cp {ROOT}/in/a {ROOT}/end/a; cp {ROOT}/in/a {ROOT}/flow/a"


def create(stage: Stage, name: str, script: str) -> None:
    place = {"S3Uri": f"s3://{BUCKET}/data/", "LocalPath": f"{ROOT}/in", "S3DataType": "S3Prefix"}
    flow = {"S3Uri": f"s3://{BUCKET}/{name}/flow", "LocalPath": f"{ROOT}/flow", "S3UploadMode": "Continuous"}
    end = {"S3Uri": f"s3://{BUCKET}/{name}/end", "LocalPath": f"{ROOT}/end", "S3UploadMode": "EndOfJob"}
    stage.sagemaker.create_processing_job(
        **request(
            name,
            *("/bin/sh", "-c", script),
            ProcessingInputs=[{"InputName": "in", "S3Input": place}],
            ProcessingOutputConfig={
                "Outputs": [{"OutputName": "flow", "S3Output": flow}, {"OutputName": "end", "S3Output": end}]
            },
        )
    )


def record(stage: Stage, name: str) -> Any:
    found = stage.store.get("ProcessingJob", "123456789012", "us-east-1", name)
    assert found
    return found


def finals(stage: Stage, name: str) -> list[str]:
    """The final states that the job has had, by its record's events."""
    told = [event.status for event in stage.store.events(record(stage, name).id)]
    return [status for status in told if status in FINAL]


def forgotten(stage: Stage, name: str) -> bool:
    found = record(stage, name)
    return found.status in FINAL and not (stage.home / "jobs" / found.id).exists()


def stored(stage: Stage, prefix: str) -> dict[str, str]:
    found = stage.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    bodies = {entry["Key"]: stage.s3.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read() for entry in found}
    return {key.removeprefix(prefix): body.decode() for key, body in bodies.items()}


def lines(stage: Stage, name: str) -> list[str]:
    logs, group = stage.clary.client("logs"), "/aws/sagemaker/ProcessingJobs"
    (stream,) = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"]
    page = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True)
    return [event["message"] for event in page["events"]]


def test_killed_while_outputs_flow(stage: Stage) -> None:
    stage.s3.put_object(Bucket=BUCKET, Key="data/a", Body=b"A")
    create(stage, "flowing", SCRIPT)
    while not forgotten(stage, "flowing"):
        threading.Event().wait(random.uniform(0.1, 1.5))
        stage.kill()
        stage.start()
    numbers = {f"flow/{number}": f"{number}\n" for number in range(1, 41)}
    whole = {"flow/all": "".join(numbers.values()), "end/a": "A"}
    assert finals(stage, "flowing") == ["Completed"], stage.told()
    assert stored(stage, "flowing/") == numbers | whole
    assert record(stage, "flowing").state["ExitMessage"] == "said\n"
    assert lines(stage, "flowing") == ["begun"]
    stage.assert_no_traces()


def test_killed_at_every_write(stage: Stage) -> None:
    stage.kill()
    stage.s3.put_object(Bucket=BUCKET, Key="data/a", Body=b"A")
    number, names = 0, []
    while True:
        # What follows the end is deleting, one write for every file.
        number += 8 if names and record(stage, names[-1]).status in FINAL else 3
        names.append(name := f"job-{number}")
        create(stage, name, SHORT)
        stage.start(f"{record(stage, name).id} {number}")
        wait_until(lambda: not stage.alive() or forgotten(stage, names[-1]), PATIENCE, stage.told)
        if stage.alive():
            break
    # It may have had a write left to die before.
    stage.kill()
    stage.start()
    wait_until(lambda: all(forgotten(stage, name) for name in names), PATIENCE, stage.told)
    assert {name: finals(stage, name) for name in names} == {name: ["Completed"] for name in names}
    expected = {"flow/a": "A", "end/a": "A"}
    assert {name: stored(stage, f"{name}/") for name in names} == dict.fromkeys(names, expected)
    stage.assert_no_traces()
