"""Processing jobs that really run: boto3, server, controller, shim, sandbox, user code."""

import gzip
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.capabilities.processing.journey import Journey
from tests.capabilities.processing.records import BUCKET, IMAGES, ROLE, ROOT, outputs, piped, request, source, target
from tests.servers import wait_until

SPLIT = """
import csv, os, sys
from sklearn.model_selection import train_test_split
print("argument", sys.argv[1])
rows = list(csv.reader(open("/opt/ml/processing/input/data/iris.csv")))
for name, part in zip(("train", "test"), train_test_split(rows, test_size=0.2, random_state=0)):
    os.makedirs(f"/opt/ml/processing/output/parts/{name}")
    with open(f"/opt/ml/processing/output/parts/{name}/rows.csv", "w") as out:
        csv.writer(out).writerows(part)
open("/opt/ml/output/message", "w").write(f"{len(rows)} rows")
"""


@pytest.fixture(scope="session")
def split(journey: Journey) -> Any:
    """A ScriptProcessor's job over one object."""
    journey.put("split/iris.csv", "".join(f"{number},{number * 2}\n" for number in range(50)))
    return journey.run(
        "split",
        SPLIT,
        "0.2",
        ProcessingInputs=[source("data", "split/iris.csv")],
        **outputs(target("parts", "split/out")),
        Environment={"MINE": "1"},
        Tags=[{"Key": "team", "Value": "blue"}],
        ExperimentConfig={"ExperimentName": "e", "TrialName": "t"},
    )


def test_a_script_processes_and_leaves_its_outputs(journey: Journey, split: Any) -> None:
    assert split["ProcessingJobStatus"] == "Completed", journey.told("split")
    assert split["ExitMessage"] == "50 rows" and "FailureReason" not in split
    found = journey.stored("split/out/")
    assert {key: len(text.splitlines()) for key, text in found.items()} == {"train/rows.csv": 40, "test/rows.csv": 10}
    assert journey.log("split") == ["argument 0.2"]
    assert split["ProcessingStartTime"] <= split["ProcessingEndTime"]


def test_describe_echoes_the_request(journey: Journey, split: Any) -> None:
    told = {name: value for name, value in split.items() if not name.endswith("Time") and name != "ResponseMetadata"}
    data, code = source("data", "split/iris.csv"), source("code", "split/input/code/script.py")
    for entry in (data, code):
        entry["AppManaged"] = False
        entry["S3Input"] |= {"S3DataDistributionType": "FullyReplicated", "S3CompressionType": "None"}
    assert told == {
        "ProcessingJobName": "split",
        "ProcessingJobArn": "arn:aws:sagemaker:us-east-1:123456789012:processing-job/split",
        "ProcessingJobStatus": "Completed",
        "ExitMessage": "50 rows",
        "RoleArn": ROLE,
        "AppSpecification": {
            "ImageUri": IMAGES["sklearn"],
            "ContainerEntrypoint": ["python3", f"{ROOT}/input/code/script.py"],
            "ContainerArguments": ["0.2"],
        },
        "Environment": {"MINE": "1"},
        "ProcessingInputs": [data, code],
        "ProcessingOutputConfig": {"Outputs": [target("parts", "split/out") | {"AppManaged": False}]},
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10}
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
        "ExperimentConfig": {"ExperimentName": "e", "TrialName": "t"},
    }
    tags = journey.sagemaker.list_tags(ResourceArn=split["ProcessingJobArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "blue"}]


TELL = """
import json, os
names = ("PROCESSING_JOB_NAME", "PROCESSING_JOB_ARN", "AWS_REGION", "MINE")
told = {name: os.environ.get(name) for name in names}
told["job"] = json.load(open("/opt/ml/config/processingjobconfig.json"))
told["resources"] = json.load(open("/opt/ml/config/resourceconfig.json"))
import boto3
told["caller"] = boto3.client("sts").get_caller_identity()["Arn"]
json.dump(told, open("/opt/ml/processing/output/told/told.json", "w"))
"""


def test_a_container_is_told_what_its_job_is(journey: Journey) -> None:
    found = journey.run("tell", TELL, **outputs(target("told", "tell/out")), Environment={"MINE": "1"})
    assert found["ProcessingJobStatus"] == "Completed", journey.told("tell")
    told = json.loads(journey.read("tell/out/told.json"))
    job, resources = told.pop("job"), told.pop("resources")
    arn = "arn:aws:sagemaker:us-east-1:123456789012:processing-job/tell"
    assert told.pop("caller").startswith("arn:aws:sts::123456789012:assumed-role/SageMakerRole/")
    assert told == {"PROCESSING_JOB_NAME": "tell", "PROCESSING_JOB_ARN": arn, "AWS_REGION": "us-east-1", "MINE": "1"}
    assert (resources["current_host"], resources["hosts"]) == ("algo-1", ["algo-1"])
    assert job["ProcessingJobArn"] == arn and job["Environment"] == {"MINE": "1"}
    assert job["ProcessingInputs"][0]["S3Input"]["S3DownloadMode"] == "StartOfJob"
    assert job["ProcessingOutputConfig"]["KmsKeyId"] is None
    assert job["ProcessingResources"]["ClusterConfig"]["VolumeKmsKeyId"] is None


def test_inputs_are_trees_without_a_copy(journey: Journey) -> None:
    """A prefix keeps its tree, a manifest its names; inputs lie inside one another; nothing can be written."""
    for key in ("tree/a.txt", "tree/deep/b.txt", "other/one", "other/two", "inner/c"):
        journey.put(key, key)
    journey.put("manifests/m", json.dumps([{"prefix": f"s3://{BUCKET}/other/"}, "two"]))
    script = (
        f"cd {ROOT}/in && find . -type f | sort && cat deep/b.txt && echo && stat -c %h a.txt && "
        "touch a.txt 2>/dev/null || echo refused"
    )
    found = journey.shell(
        "trees",
        script,
        ProcessingInputs=[
            source("tree", "tree", "in"),
            source("named", "manifests/m", "in/named", S3DataType="ManifestFile"),
            source("inner", "inner/", "in/deep/inner/"),
        ],
    )
    assert found["ProcessingJobStatus"] == "Completed", journey.told("trees")
    lines = journey.log("trees")
    assert lines[:5] == ["./a.txt", "./deep/b.txt", "./deep/inner/c", "./named/two", "tree/deep/b.txt"]
    assert int(lines[5]) > 1 and lines[6:] == ["refused"]


def test_several_hosts_share_the_work_and_one_prefix(journey: Journey) -> None:
    for number in range(5):
        journey.put(f"shards/{number}", str(number))
    script = (
        f"ls {ROOT}/in | tr '\\n' ' ' > {ROOT}/out/$(hostname); cat {ROOT}/out/$(hostname) > /opt/ml/output/message; "
        "getent hosts algo-2 | wc -l"
    )
    found = journey.shell(
        "shards",
        script,
        count=2,
        ProcessingInputs=[source("in", "shards/", "in", S3DataDistributionType="ShardedByS3Key")],
        **outputs(target("out", "shards-out/", "out")),
    )
    assert found["ProcessingJobStatus"] == "Completed", journey.told("shards")
    assert journey.stored("shards-out/") == {"algo-1": "0 2 4 ", "algo-2": "1 3 "}
    assert found["ExitMessage"] == "0 2 4 1 3 "
    assert (journey.log("shards"), journey.log("shards", "algo-2")) == (["1"], ["1"])


STREAMED = """
import json, os
host = json.load(open("/opt/ml/config/resourceconfig.json"))["current_host"]
def whole(name, number=0):
    with open(f"/opt/ml/processing/{name}_{number}", "rb") as pipe:
        return pipe.read().decode()
print(whole("in/rows"), whole("in/rows", 1), whole("packed"), sorted(os.listdir("/opt/ml/processing")))
print(json.load(open("/opt/ml/config/processingjobconfig.json"))["ProcessingInputs"][0]["S3Input"]["S3InputMode"])
open("/opt/ml/processing/out/" + host, "w").write(whole("dealt"))
"""


def test_inputs_are_streamed_through_pipes(journey: Journey) -> None:
    """As they are, decompressed, and dealt out to hosts; a pipe for each pass; none of them is an output."""
    for number in range(3):
        journey.put(f"streamed/{number}.csv", f"{number};")
    journey.put("packed/a.gz", gzip.compress(b"one,"))
    journey.put("packed/b.gz", gzip.compress(b"two"))
    journey.put("manifests/piped", json.dumps([{"prefix": f"s3://{BUCKET}/streamed/"}, "2.csv", "0.csv"]))
    dealt = piped("dealt", "streamed/", "dealt", S3DataDistributionType="ShardedByS3Key")
    found = journey.run(
        "piping",
        STREAMED,
        count=2,
        ProcessingInputs=[
            piped("rows", "manifests/piped", "in/rows", S3DataType="ManifestFile"),
            piped("packed", "packed/", "packed", S3CompressionType="Gzip"),
            dealt,
        ],
        **outputs(target("out", "streamed-out", "out")),
    )
    assert found["ProcessingJobStatus"] == "Completed", journey.told("piping")
    assert found["ProcessingInputs"][1]["S3Input"]["S3CompressionType"] == "Gzip"
    seen = ["dealt_0", "in", "input", "out", "packed_1"]
    assert journey.log("piping") == [f"2;0; 2;0; one,two {seen}", "Pipe"]
    assert journey.stored("streamed-out/") == {"algo-1": "0;2;", "algo-2": "1;"}


def test_a_stream_that_is_not_what_it_is_said_to_be(journey: Journey) -> None:
    """Nor is a job to blame the platform that removed the folder in which its pipes are made."""
    journey.put("plain/a.gz", b"plain")
    more = {"ProcessingInputs": [piped("in", "plain/", "deep/in", S3CompressionType="Gzip")]}
    found = journey.shell("plain", f"cat {ROOT}/deep/in_0", **more)
    assert found["FailureReason"] == (
        f"ClientError: Data download failed: s3://{BUCKET}/plain/a.gz: not a valid gzip file (Error -3 while "
        "decompressing data: incorrect header check)"
    )
    journey.put("plain/b", b"x" * 4_000_000)
    more = {"ProcessingInputs": [piped("in", "plain/", "deep/in")]}
    script = f"cd {ROOT}; exec 3< deep/in_0; head -c 1 <&3; rm -r deep; exec 3<&-; sleep 600"
    found = journey.shell("undone", script, **more)
    assert found["FailureReason"] == "ClientError: Data download failed: the folder of the named pipe in_1 was removed"


def test_a_failing_job_keeps_its_outputs_and_says_why(journey: Journey) -> None:
    script = f"echo done > {ROOT}/out/half; echo 'no column x' > /opt/ml/output/message; exit 3"
    found = journey.shell("failing", script, **outputs(target("out", "failing-out", "out")))
    assert (found["ProcessingJobStatus"], found["FailureReason"], found["ExitMessage"]) == (
        "Failed",
        "AlgorithmError: no column x\n",
        "no column x\n",
    )
    assert journey.stored("failing-out/") == {"half": "done\n"}
    silent = journey.shell("silent", "exit 1")
    assert silent["FailureReason"] == "AlgorithmError: See job logs for more information"
    assert "ExitMessage" not in silent


def test_one_failing_host_ends_the_others(journey: Journey) -> None:
    found = journey.shell("one-bad", "[ $(hostname) = algo-1 ] && sleep 600; exit 4", count=2)
    assert found["FailureReason"] == "AlgorithmError: See job logs for more information"


@pytest.mark.parametrize(
    ("command", "arguments", "lines"),
    [
        (["/bin/echo", "a"], ["b"], ["a b"]),
        (["/bin/echo", "a"], [], ["a"]),
        ([], ["echo", "only arguments"], ["only arguments"]),
        ([], [], []),
    ],
)
def test_what_is_started_follows_dockers_rules(
    journey: Journey, command: list[str], arguments: list[str], lines: list[str]
) -> None:
    name = f"docker-{len(command)}-{len(arguments)}"
    journey.create(name, "", *arguments) if not command else journey.sagemaker.create_processing_job(
        **_with_arguments(request(name, *command), arguments)
    )
    assert journey.finished(name)["ProcessingJobStatus"] == "Completed", journey.told(name)
    assert journey.log(name) == lines


def _with_arguments(wanted: Any, arguments: list[str]) -> Any:
    if arguments:
        wanted["AppSpecification"]["ContainerArguments"] = arguments
    return wanted


PATIENT = """
import signal, sys
def leave(*_):
    open("/opt/ml/processing/output/out/partial", "w").write("so far")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("ready", flush=True)
while True:
    signal.pause()
"""


def test_stopping(journey: Journey) -> None:
    journey.create("stopped", PATIENT, **outputs(target("out", "stopped-out")))
    journey.until_line("stopped", "ready")
    journey.sagemaker.stop_processing_job(ProcessingJobName="stopped")
    assert journey.describe("stopped")["ProcessingJobStatus"] in ("Stopping", "Stopped")
    found = journey.finished("stopped")
    assert found["ProcessingJobStatus"] == "Stopped" and "FailureReason" not in found
    assert journey.stored("stopped-out/") == {"partial": "so far"}
    with pytest.raises(ClientError, match=r"ValidationException.*the processing job is in status Stopped"):
        journey.sagemaker.stop_processing_job(ProcessingJobName="stopped")


def test_the_longest_run_is_kept(journey: Journey) -> None:
    more = outputs(target("out", "endless-out"))
    # Long enough for the script to get ready on a busy machine.
    found = journey.run("endless", PATIENT, **more, StoppingCondition={"MaxRuntimeInSeconds": 8})
    assert found["ProcessingJobStatus"] == "Stopped"
    assert found["FailureReason"] == (
        "MaxRuntimeExceeded: Processing job runtime exceeded MaxRuntimeInSeconds provided"
    )
    assert journey.stored("endless-out/") == {"partial": "so far"}


def test_isolated_jobs_have_data_but_neither_network_nor_credentials(journey: Journey) -> None:
    journey.put("isolated/a")
    script = (
        f"ls {ROOT}/in; env | grep -c -e AWS_ACCESS -e AWS_ENDPOINT; "
        f"python3 -c \"import socket; socket.create_connection(('127.0.0.1', {journey.clary.port}), 2)\" || echo no way"
    )
    found = journey.shell(
        "isolated",
        script,
        ProcessingInputs=[source("in", "isolated/", "in")],
        NetworkConfig={"EnableNetworkIsolation": True},
    )
    assert found["ProcessingJobStatus"] == "Completed", journey.told("isolated")
    lines = journey.log("isolated")
    assert (lines[:2], lines[-1]) == (["a", "0"], "no way")


def test_lists_and_deletes(journey: Journey, split: Any) -> None:
    client = journey.sagemaker
    journey.shell("listed-a", "true")
    journey.shell("listed-b", "exit 1")
    found = client.list_processing_jobs(NameContains="listed-", SortBy="Name", SortOrder="Descending")
    summaries = found["ProcessingJobSummaries"]
    assert [(each["ProcessingJobName"], each["ProcessingJobStatus"]) for each in summaries] == [
        ("listed-b", "Failed"),
        ("listed-a", "Completed"),
    ]
    assert summaries[0]["FailureReason"] == "AlgorithmError: See job logs for more information"
    assert "ProcessingEndTime" in summaries[1]
    only = client.list_processing_jobs(NameContains="listed-", StatusEquals="Failed")["ProcessingJobSummaries"]
    assert [each["ProcessingJobName"] for each in only] == ["listed-b"]
    client.delete_processing_job(ProcessingJobName="listed-b")
    wait_until(lambda: not client.list_processing_jobs(NameContains="listed-b")["ProcessingJobSummaries"])
    assert journey.shell("listed-b", "true")["ProcessingJobStatus"] == "Completed"
    with pytest.raises(ClientError, match=r"ValidationException.*Requested resource not found"):
        journey.describe("nobody")
    with pytest.raises(ClientError, match=r"ResourceInUse.*already exists \(arn:aws:sagemaker"):
        journey.create("split")


def test_the_first_type_that_this_machine_has_is_chosen(journey: Journey) -> None:
    wanted = request("preferring", "/bin/true")
    cluster = wanted["ProcessingResources"]["ClusterConfig"]
    del cluster["InstanceType"]
    cluster["InstancePreferences"] = [{"InstanceType": "ml.p3.16xlarge"}, {"InstanceType": "ml.m5.xlarge"}]
    journey.sagemaker.create_processing_job(**wanted)
    found = journey.finished("preferring")
    assert found["ProcessingJobStatus"] == "Completed", journey.told("preferring")
    chosen = {"SelectedInstanceType": "ml.m5.xlarge", "SelectedInstanceCount": 1}
    assert found["ProcessingResources"]["ClusterConfig"] == cluster | chosen


def test_a_type_that_this_machine_cannot_be_is_refused_in_awss_words(journey: Journey) -> None:
    wanted = request("too-much", "/bin/true")
    wanted["ProcessingResources"]["ClusterConfig"]["InstanceType"] = "ml.p3.16xlarge"
    journey.sagemaker.create_processing_job(**wanted)
    found = journey.finished("too-much")
    assert found["FailureReason"].startswith("CapacityError: Unable to provision requested ML compute capacity.")


def test_continuous_outputs_appear_while_the_job_runs(journey: Journey) -> None:
    """What changes is put again, what nothing changed is left alone, and the end brings the rest."""
    script = (
        f"echo 1 > {ROOT}/out/first; mkdir {ROOT}/out/deep; until [ -e {ROOT}/out/go ]; do sleep 0.1; done; "
        f"rm {ROOT}/out/go; echo 2 > {ROOT}/out/deep/last"
    )
    name, where = "continuous", outputs(target("out", "continuous-out", "out", "Continuous"))
    journey.sagemaker.create_processing_job(**request(name, "/bin/sh", "-c", script, **where))
    wait_until(lambda: journey.stored("continuous-out/") == {"first": "1\n"}, otherwise=lambda: journey.told(name))
    (folder,) = journey.clary.home.glob("jobs/*/algo-1/*processing/out")
    (folder / "go").touch()
    assert journey.finished(name)["ProcessingJobStatus"] == "Completed", journey.told(name)
    found = journey.stored("continuous-out/")
    found.pop("go", None)
    assert found == {"first": "1\n", "deep/last": "2\n"}


def test_an_output_folder_may_be_made_anew(journey: Journey) -> None:
    """As Spark's overwriting does. A link in its place leads nowhere."""
    more = outputs(target("out", "anew-out", "out"), target("led", "anew-led", "led"))
    script = f"cd {ROOT}; rmdir out led; mkdir out; echo 1 > out/a; ln -s /etc led"
    assert journey.shell("anew", script, **more)["ProcessingJobStatus"] == "Completed", journey.told("anew")
    assert journey.stored("anew-") == {"out/a": "1\n"}


def test_outputs_inside_outputs(journey: Journey) -> None:
    found = journey.shell(
        "nested",
        f"echo 1 > {ROOT}/out/a; echo 2 > {ROOT}/out/in/b",
        **outputs(target("whole", "nested/whole", "out"), target("part", "nested/part/", "out/in")),
    )
    assert found["ProcessingJobStatus"] == "Completed", journey.told("nested")
    assert journey.stored("nested/") == {"part/b": "2\n", "whole/a": "1\n", "whole/in/b": "2\n"}


def test_commands_know_processing_jobs(journey: Journey, split: Any) -> None:
    shown = json.loads(journey.clary.command("status", "--json", check=True).stdout)
    found = [row for row in shown if row["name"] == "split"]
    assert [(row["what"], row["status"]) for row in found] == [("processing job", "Completed")]
    assert journey.clary.command("logs", "split", check=True).stdout == "argument 0.2\n"
