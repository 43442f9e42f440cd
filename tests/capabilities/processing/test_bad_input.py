"""What is wrong with a request is said by Create, and what is wrong with the data or left behind by the job's end."""

import copy
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.capabilities.processing.journey import Journey
from tests.capabilities.processing.records import BUCKET, ROOT, outputs, piped, request, source, target

MANY = [source(f"in-{number}", "bad/a") for number in range(11)]


@pytest.fixture(scope="session")
def stored(journey: Journey) -> None:
    journey.put("bad/a")


def with_input(**more: Any) -> dict[str, Any]:
    return {"ProcessingInputs": [source("in", "bad/", **more)]}


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("a way up", with_input(path="../../etc"), "LocalPath /opt/ml/processing/../../etc must be an absolute path that"),
    ("elsewhere", with_input(LocalPath="/opt/ml/model"), "LocalPath /opt/ml/model must be an absolute path that"),
    ("almost", with_input(LocalPath="/opt/ml/processing2/x"), "LocalPath /opt/ml/processing2/x must be"),
    ("relative", with_input(LocalPath="opt/ml/processing/x"), "LocalPath opt/ml/processing/x must be"),
    (
        "up in outputs",
        outputs(target("out", "o", "../x")),
        "ProcessingOutput out: LocalPath /opt/ml/processing/../x must",
    ),
    ("eleven", {"ProcessingInputs": MANY}, "Member must have length less than or equal to 10"),
    (
        "equal names",
        {"ProcessingInputs": [source("in", "bad/a", "x"), source("in", "bad/a", "y")]},
        "Each processing input must be unique, and in is given 2 times",
    ),
    (
        "equal output names",
        outputs(target("out", "o", "x"), target("out", "o", "y")),
        "Each processing output must be unique, and out is given 2 times",
    ),
    (
        "equal paths",
        {"ProcessingInputs": [source("one", "bad/a", "x"), source("other", "bad/a", "x/")]},
        "Each processing input LocalPath must be unique",
    ),
    (
        "overlap",
        {**with_input(path="x"), **outputs(target("out", "o", "x/y"))},
        f"LocalPath {ROOT}/x/y overlaps {ROOT}/x of ProcessingInput in",
    ),
    ("no bucket", with_input(S3Uri="s3://nowhere-at-all/x"), "The specified bucket does not exist"),
    ("no object", with_input(S3Uri=f"s3://{BUCKET}/nothing/here"), "No S3 objects found under S3 URL"),
    (
        "no output bucket",
        outputs({"OutputName": "o", "S3Output": target("o", "k")["S3Output"] | {"S3Uri": "s3://nowhere-at-all/x"}}),
        "Failed to access S3 output location s3://nowhere-at-all/x/. Error message from S3: The specified bucket",
    ),
    (
        "in a pipe's place",
        {"ProcessingInputs": [piped("in", "bad/", "x"), source("other", "bad/a", "x_0/y")]},
        f"LocalPath {ROOT}/x_0/y is where the pipes of ProcessingInput in would be",
    ),
    (
        "output in a pipe's place",
        {"ProcessingInputs": [piped("in", "bad/", "x")], **outputs(target("out", "o", "x_12"))},
        f"LocalPath {ROOT}/x_12 is where the pipes of ProcessingInput in would be",
    ),
    (
        "over a pipe",
        {"ProcessingInputs": [piped("in", "bad/", "x/y/z"), source("other", "bad/a", "x")]},
        f"LocalPath {ROOT}/x is where the pipes of ProcessingInput in would be",
    ),
    ("gzip", with_input(S3CompressionType="Gzip"), "S3CompressionType Gzip needs S3InputMode Pipe"),
    (
        "athena",
        {"ProcessingInputs": [{"InputName": "in", "DatasetDefinition": {"LocalPath": f"{ROOT}/x"}}]},
        "DatasetDefinition is not available in this version",
    ),
    (
        "features",
        outputs({"OutputName": "o", "AppManaged": True, "FeatureStoreOutput": {"FeatureGroupName": "g"}}),
        "FeatureStoreOutput is not available in this version",
    ),
    ("nothing", {"ProcessingInputs": [{"InputName": "in"}]}, "ProcessingInput in: S3Input must be given"),
    ("role", {"RoleArn": "arn:aws:iam::123456789012:role/Nobody"}, "Nobody"),
    ("too long", {"StoppingCondition": {"MaxRuntimeInSeconds": 777601}}, "less than or equal to 777600"),
    ("too many", {"Environment": {str(number): "" for number in range(101)}}, "less than or equal to 100"),
]


@pytest.mark.parametrize(("more", "text"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_create_refuses(journey: Journey, stored: None, more: dict[str, Any], text: str) -> None:
    with pytest.raises(ClientError) as caught:
        journey.sagemaker.create_processing_job(**request("refused", "/bin/true", **copy.deepcopy(more)))
    assert caught.value.response["Error"]["Code"] in ("ValidationException", "AccessDeniedException")
    assert text in caught.value.response["Error"]["Message"]
    assert journey.sagemaker.list_processing_jobs(NameContains="refused")["ProcessingJobSummaries"] == []


def test_create_refuses_what_is_wrong_with_the_cluster(journey: Journey) -> None:
    for change, text in (
        ({"InstanceType": "ml.m5.huge"}, "failed to satisfy constraint: Member must satisfy enum value set"),
        ({"InstanceCount": 101}, "less than or equal to 100"),
        ({"SelectedInstanceType": "ml.m5.large"}, "cannot be given"),
        ({"InstancePreferences": [{"InstanceType": "ml.m5.large"}]}, "together with InstanceType"),
    ):
        wanted = request("refused", "/bin/true")
        wanted["ProcessingResources"]["ClusterConfig"] |= change
        with pytest.raises(ClientError, match="ValidationException") as caught:
            journey.sagemaker.create_processing_job(**wanted)
        assert text in str(caught.value)


BROKEN = {
    "climbing": ([{"prefix": f"s3://{BUCKET}/"}, "../bad/a"], "../bad/a"),
    "absent": ([{"prefix": f"s3://{BUCKET}/bad/"}, "a", "b"], f"s3://{BUCKET}/bad/b of the manifest does not exist"),
    "foreign": ([{"prefix": "s3://somebody-elses/"}, "a"], "bucket somebody-elses does not exist or does not belong"),
    "no-list": ({"prefix": "x"}, "is not a JSON list of a prefix object and key suffixes"),
    "twice": ([{"prefix": f"s3://{BUCKET}/bad/"}, "a", "a"], "and another object want the same path"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_bad_manifests_fail_the_job(journey: Journey, stored: None, name: str) -> None:
    content, text = BROKEN[name]
    journey.put("../bad/a", b"x")
    journey.put(f"manifests/{name}", json.dumps(content))
    named = source("in", f"manifests/{name}", S3DataType="ManifestFile")
    found = journey.shell(f"manifest-{name}", "true", ProcessingInputs=[named])
    assert found["ProcessingJobStatus"] == "Failed"
    assert found["FailureReason"].startswith("ClientError: Data download failed: ") and text in found["FailureReason"]
    assert "ProcessingStartTime" not in found


def test_an_input_that_is_both_a_file_and_a_folder(journey: Journey) -> None:
    journey.put("both/a/b")
    journey.put("both/a")
    found = journey.shell("both", "true", ProcessingInputs=[source("in", "both/")])
    assert "another object want the same path" in found["FailureReason"]


MESSAGES = {
    "fifo": ("mkfifo message", None, "Completed"),
    "link": ("ln -s /etc/passwd message", None, "Completed"),
    "folder": ("mkdir message", None, "Completed"),
    "huge": ("printf ok > message; truncate -s 10G message", "ok" + "\0" * 1022, "Completed"),
    "long": ("yes é | tr -d '\\n' | head -c 4000 > message", "é" * 512, "Completed"),
    "cut": ("(printf x; yes é | tr -d '\\n' | head -c 4000) > message", "x" + "é" * 511, "Completed"),
    "binary": ("printf 'a\\377b' > message", None, "Failed"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_the_exit_message_may_be_anything(journey: Journey, name: str) -> None:
    script, said, status = MESSAGES[name]
    found = journey.shell(f"message-{name}", f"cd /opt/ml/output; {script}")
    assert (found["ProcessingJobStatus"], found.get("ExitMessage")) == (status, said)
    text = "ClientError: the exit message in /opt/ml/output/message is not UTF-8 text"
    assert found.get("FailureReason") == (text if status == "Failed" else None)


HOSTILE = """
import os, socket, subprocess, sys
os.chdir("/opt/ml/processing/out")
subprocess.run(["/bin/sh", "-ec", '''
echo 1 > plain; ln plain hard; ln -s /etc/passwd link; ln -s /etc folder; ln -s . round; ln -s me me; mkfifo pipe
mkdir deep; echo 2 > deep/x; chmod 000 deep/x deep
cd ..; rmdir up/etc up; ln -s / up; sleep $0''', sys.argv[1]], check=True)
socket.socket(socket.AF_UNIX).bind("socket")
"""


@pytest.mark.parametrize(("mode", "seconds"), [("EndOfJob", "0"), ("Continuous", "3")])
def test_only_plain_files_leave_a_job(journey: Journey, mode: str, seconds: str) -> None:
    """Links, pipes, sockets, shut folders, and a link in the place of the folder above an output."""
    name = f"plain-{mode.lower()}"
    where = (target("out", f"{name}/out", "out", mode), target("up", f"{name}/up", "up/etc", mode))
    found = journey.run(name, HOSTILE, seconds, **outputs(*where))
    assert found["ProcessingJobStatus"] == "Completed", journey.told(name)
    stored = journey.stored(f"{name}/")
    stored.pop("input/code/script.py")
    assert stored == {"out/plain": "1\n", "out/hard": "1\n", "out/deep/x": "2\n"}


def test_names_that_no_object_can_have(journey: Journey) -> None:
    script = f"cd {ROOT}/out; touch $(printf 'a\\377'); echo 1 > b"
    found = journey.shell("names", script, **outputs(target("out", "names", "out")))
    assert found["ProcessingJobStatus"] == "Failed", journey.told("names")
    assert found["FailureReason"].startswith("ClientError: Failed to upload outputs: 'names/a")


def test_a_bucket_that_is_gone_at_the_end(journey: Journey) -> None:
    journey.s3.create_bucket(Bucket="short-lived")
    where = target("out", "", "out")
    where["S3Output"]["S3Uri"] = "s3://short-lived/x"
    script = f"echo 1 > {ROOT}/out/a; echo ready; sleep 600 & trap 'exit 0' TERM; wait"
    journey.sagemaker.create_processing_job(**request("gone", "/bin/sh", "-c", script, **outputs(where)))
    journey.until_line("gone", "ready")
    journey.s3.delete_bucket(Bucket="short-lived")
    journey.sagemaker.stop_processing_job(ProcessingJobName="gone")
    assert journey.finished("gone")["ProcessingJobStatus"] == "Stopped"
