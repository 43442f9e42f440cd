"""Training jobs that really run: boto3, server, controller, shim, sandbox, user code."""

import json
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.capabilities.training.journey import BUCKET, Journey, data
from tests.capabilities.training.records import request
from tests.servers import wait_until

pytestmark = pytest.mark.timeout(600)

LEARN = """
import argparse, io, os
import boto3, joblib, numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

parser = argparse.ArgumentParser()
parser.add_argument("-C", type=float)
given = parser.parse_args()
x, y = load_breast_cancer(return_X_y=True)
model = LogisticRegression(C=given.C, max_iter=5000).fit(x[:400], y[:400])
print("accuracy=%.4f;" % model.score(x[400:], y[400:]))
joblib.dump(model, os.path.join(os.environ["SM_MODEL_DIR"], "model.joblib"))
with open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "note.txt"), "w") as note:
    note.write("hello")
table = np.column_stack([y, x])
for name, rows in (("train", table[:400]), ("validation", table[400:])):
    text = io.StringIO()
    np.savetxt(text, rows, delimiter=",", fmt="%.6g")
    boto3.client("s3").put_object(Bucket="journeys", Key=f"cancer/{name}/part.csv", Body=text.getvalue().encode())
"""


@pytest.fixture(scope="session")
def learnt(journey: Journey) -> Any:
    """A scikit-learn script job, which also writes the data that the XGBoost job reads."""
    metrics = [{"Name": "accuracy", "Regex": "accuracy=([0-9.]+);"}]
    return journey.run("learn", script=LEARN, hyperparameters={"C": "0.5"}, algorithm={"MetricDefinitions": metrics})


def test_a_script_learns_and_leaves_its_model(journey: Journey, learnt: Any) -> None:
    assert learnt["TrainingJobStatus"] == "Completed", journey.told("learn")
    (metric,) = learnt["FinalMetricDataList"]
    assert (metric["MetricName"], metric["Value"] > 0.9) == ("accuracy", True)
    assert journey.archive("learn").keys() == {"model.joblib"}
    assert journey.archive("learn", "output").keys() == {"note.txt"}
    assert learnt["ModelArtifacts"] == {"S3ModelArtifacts": f"s3://{BUCKET}/out/learn/output/model.tar.gz"}
    assert [entry["Status"] for entry in learnt["SecondaryStatusTransitions"]] == [
        *("Starting", "Downloading", "Training", "Uploading", "Completed")
    ]
    assert all(entry["StatusMessage"] for entry in learnt["SecondaryStatusTransitions"])
    assert learnt["OutputDataConfig"]["KmsKeyId"] == ""
    assert learnt["BillableTimeInSeconds"] == learnt["TrainingTimeInSeconds"] > 0


def test_built_in_xgboost_on_real_data(journey: Journey, learnt: Any) -> None:
    found = journey.run(
        "boost",
        "xgboost",
        hyperparameters={"num_round": "20", "objective": "binary:logistic", "eval_metric": "auc", "max_depth": "4"},
        InputDataConfig=[
            data("train", "cancer/train", ContentType="text/csv"),
            data("validation", "cancer/validation/", ContentType="text/csv"),
        ],
    )
    assert found["TrainingJobStatus"] == "Completed", journey.told("boost")
    final = {entry["MetricName"]: entry["Value"] for entry in found["FinalMetricDataList"]}
    assert final.keys() == {"train:auc", "validation:auc"}
    assert final["validation:auc"] > 0.98
    assert journey.archive("boost").keys() == {"xgboost-model"}
    assert any(line.startswith("[19]#011train-auc:") for line in journey.log("boost"))
    cloudwatch = journey.clary.client("cloudwatch")
    listed = cloudwatch.list_metrics(Namespace="/aws/sagemaker/TrainingJobs", MetricName="validation:auc")
    assert [metric["Dimensions"] for metric in listed["Metrics"]] == [[{"Name": "TrainingJobName", "Value": "boost"}]]


def test_wrong_hyperparameters_are_the_callers_fault(journey: Journey, learnt: Any) -> None:
    found = journey.run(
        "wrong-hyperparameters",
        "xgboost",
        hyperparameters={"num_round": "0"},
        InputDataConfig=[data("train", "cancer/train", ContentType="text/csv")],
    )
    assert (found["TrainingJobStatus"], found["FailureReason"]) == (
        "Failed",
        "ClientError: Hyperparameter num_round: value 0 is not in range [1, inf], exit code: 2",
    )


def test_a_failing_script(journey: Journey) -> None:
    found = journey.run("failing", script="import sys\nraise KeyError('no column')")
    assert (found["TrainingJobStatus"], found["SecondaryStatus"]) == ("Failed", "Failed")
    assert found["FailureReason"] == (
        "AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage \"KeyError: 'no column'\"\n"
        'Command "/opt/clary/venv/bin/python train.py", exit code: 1'
    )
    assert found["SecondaryStatusTransitions"][-1]["StatusMessage"] == found["FailureReason"]


PATIENT = """
import signal, sys, os
def leave(*_):
    open(os.path.join(os.environ["SM_MODEL_DIR"], "partial"), "w").write("so far")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("ready", flush=True)
while True:
    signal.pause()
"""


def test_stopping_is_visible_at_once_and_keeps_the_model(journey: Journey) -> None:
    journey.create("stopped", script=PATIENT)
    journey.until("stopped", "Training")
    journey.says("stopped", "ready")
    journey.sagemaker.stop_training_job(TrainingJobName="stopped")
    assert journey.describe("stopped")["TrainingJobStatus"] in ("Stopping", "Stopped")
    found = journey.finished("stopped")
    assert (found["TrainingJobStatus"], found["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert "Stopping" in [entry["Status"] for entry in found["SecondaryStatusTransitions"]]
    assert journey.archive("stopped").keys() == {"partial"}
    with pytest.raises(ClientError, match="The request was rejected because the training job is in status Stopped"):
        journey.sagemaker.stop_training_job(TrainingJobName="stopped")


def test_the_longest_run_is_kept(journey: Journey) -> None:
    """Long enough for the script to get ready on a busy machine."""
    found = journey.run("endless", script=PATIENT, StoppingCondition={"MaxRuntimeInSeconds": 8})
    assert (found["TrainingJobStatus"], found["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert journey.archive("endless").keys() == {"partial"}


def test_a_killed_shim_is_told_and_nothing_runs_twice(journey: Journey) -> None:
    journey.create("orphan", script=PATIENT)
    journey.until("orphan", "Training")
    journey.says("orphan", "ready")
    for pid in shims_of(journey, "orphan"):
        # One may have taken another with it.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    found = journey.finished("orphan")
    assert found["TrainingJobStatus"] == "Failed"
    assert found["FailureReason"].startswith("InternalServerError: We encountered an internal error.")
    assert journey.log("orphan").count("ready") == 1


def shims_of(journey: Journey, name: str) -> list[int]:
    """Processes whose arguments name the job's folder."""
    jobs = str(journey.clary.home / "jobs")
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode().split("\0")
        except OSError:
            continue
        if any(word.startswith(jobs) for word in words) and not any("bwrap" in word for word in words[:1]):
            found.append(int(entry.parent.name))
    assert found, f"no shim of {name}"
    return found


ISOLATED = """
import os, socket
assert "AWS_ACCESS_KEY_ID" not in os.environ and "AWS_ENDPOINT_URL" not in os.environ
try:
    socket.create_connection(("127.0.0.1", PORT), 2)
except OSError as error:
    print("no way out:", error)
else:
    raise SystemExit("reached the server")
print(sorted(os.listdir("/opt/ml/input/data/train")))
"""


def test_isolated_jobs_have_data_but_neither_network_nor_credentials(journey: Journey) -> None:
    journey.put("isolated-data/a.txt")
    script = ISOLATED.replace("PORT", str(journey.clary.port))
    inputs = [data("train", "isolated-data/")]
    found = journey.run("isolated", script=script, EnableNetworkIsolation=True, InputDataConfig=inputs)
    assert found["TrainingJobStatus"] == "Completed", journey.told("isolated")
    assert "['a.txt']" in journey.log("isolated")


DRIVER = """
#!/bin/bash
set -e
python -m pip --version
cd /opt/ml/input/data/code
tar -xzf extra.tar.gz 2>/dev/null || true
chmod +x run.sh
echo "$TRAINING_JOB_NAME" > /opt/ml/input/sm_training.env
./run.sh
"""


def test_entrypoints_of_the_sdk_change_their_channels(journey: Journey) -> None:
    journey.put("v3/sm_drivers/sm_train.sh", DRIVER.encode())
    journey.put("v3/code/run.sh", b"#!/bin/sh\necho running > /opt/ml/model/done; cat /opt/ml/input/sm_training.env\n")
    train = "/opt/ml/input/data/sm_drivers/sm_train.sh"
    found = journey.run(
        "driven",
        algorithm={"ContainerEntrypoint": ["/bin/bash"], "ContainerArguments": ["-c", f"chmod +x {train} && {train}"]},
        InputDataConfig=[data("code", "v3/code/"), data("sm_drivers", "v3/sm_drivers/")],
    )
    assert found["TrainingJobStatus"] == "Completed", journey.told("driven")
    assert "driven" in journey.log("driven")
    body = journey.s3.get_object(Bucket=BUCKET, Key="v3/code/run.sh")["Body"].read()
    assert body.startswith(b"#!/bin/sh\necho running"), "the store's own bytes are untouched"


SHARED = """
import json, os
config = json.load(open("/opt/ml/input/config/resourceconfig.json"))
host = os.environ["SM_CURRENT_HOST"]
print("MINE", sorted(os.listdir("/opt/ml/input/data/train")), sorted(os.listdir("/opt/ml/input/data/listed")))
print(open("/opt/ml/input/data/listed-manifest").read())
assert config["hosts"] == ["algo-1", "algo-2"]
open(f"/opt/ml/model/{host}", "w").write(host)
try:
    open("/opt/ml/input/data/train/new", "w")
except OSError as error:
    print("read-only:", error.strerror)
"""


def test_two_hosts_share_the_objects_and_merge_their_models(journey: Journey) -> None:
    for name in "abc":
        journey.put(f"shards/{name}.csv")
    journey.put("shards.manifest", json.dumps([{"prefix": f"s3://{BUCKET}/shards/"}, "a.csv", "c.csv"]).encode())
    found = journey.run(
        "sharded",
        script=SHARED,
        count=2,
        InputDataConfig=[
            data("train", "shards/", source={"S3DataDistributionType": "ShardedByS3Key"}),
            data("listed", "shards.manifest", source={"S3DataType": "ManifestFile"}),
        ],
    )
    assert found["TrainingJobStatus"] == "Completed", journey.told("sharded")
    assert "MINE ['a.csv', 'c.csv'] ['a.csv', 'c.csv']" in journey.log("sharded")
    assert "MINE ['b.csv'] ['a.csv', 'c.csv']" in journey.log("sharded", "algo-2")
    assert "read-only: Read-only file system" in journey.log("sharded")
    assert journey.archive("sharded").keys() == {"algo-1", "algo-2"}


COUNT = """
import os
place = "/opt/ml/checkpoints/count"
count = int(open(place).read()) + 1 if os.path.exists(place) else 1
open(place, "w").write(str(count))
print("count", count)
"""


def test_checkpoints_go_from_job_to_job(journey: Journey) -> None:
    config = {"S3Uri": f"s3://{BUCKET}/kept"}
    for number in (1, 2):
        found = journey.run(f"count-{number}", script=COUNT, CheckpointConfig=config)
        assert found["TrainingJobStatus"] == "Completed", journey.told(f"count-{number}")
        assert f"count {number}" in journey.log(f"count-{number}")
    assert journey.s3.get_object(Bucket=BUCKET, Key="kept/count")["Body"].read() == b"2"


HOSTILE = """
import os
os.symlink("/etc/passwd", "/opt/ml/model/passwd")
os.symlink("/", "/opt/ml/output/data/root")
os.mkfifo("/opt/ml/model/pipe")
open("/opt/ml/model/real", "w").write("x")
os.symlink("real", "/opt/ml/model/inside")
os.symlink("/etc/passwd", "/opt/ml/output/failure")
open(b"/opt/ml/model/\\xff\\xfe", "w").close()
"""


def test_links_out_and_pipes_are_left_out_of_outputs(journey: Journey) -> None:
    found = journey.run("hostile", script=HOSTILE)
    assert found["TrainingJobStatus"] == "Completed", journey.told("hostile")
    members = journey.archive("hostile")
    assert {name: member.issym() for name, member in members.items()} == {
        "inside": True,
        "real": False,
        "\udcff\udcfe": False,
    }


DEEP = """
import os
os.chdir("/opt/ml/model")
for _ in range(1500):
    os.mkdir("deep")
    os.chdir("deep")
"""


def test_folders_without_end_fail_the_job_and_are_removed(journey: Journey) -> None:
    found = journey.run("deep", script=DEEP)
    assert (found["TrainingJobStatus"], found["FailureReason"]) == (
        "Failed",
        "ClientError: Failed to upload model artifacts: folders are nested too deeply",
    )
    wait_until(lambda: not list((journey.clary.home / "jobs").iterdir()))


UNCOMPRESSED = """
import os
os.makedirs("/opt/ml/model/deep")
os.symlink("..", "/opt/ml/model/deep/round")
os.symlink("itself", "/opt/ml/model/itself")
open("/opt/ml/model/deep/m", "w").write("x")
open("/opt/ml/output/data/m", "w").write("y")
"""


def test_uncompressed_outputs(journey: Journey) -> None:
    place = {"S3OutputPath": f"s3://{BUCKET}/out", "CompressionType": "NONE"}
    found = journey.run("plain", script=UNCOMPRESSED, OutputDataConfig=place)
    assert found["ModelArtifacts"] == {"S3ModelArtifacts": f"s3://{BUCKET}/out/plain/output/model/"}
    stored = journey.s3.list_objects_v2(Bucket=BUCKET, Prefix="out/plain/output/")["Contents"]
    assert [each["Key"] for each in stored] == [f"out/plain/output/{key}" for key in ("model/deep/m", "output/m")]
    odd = "open(b'/opt/ml/model/\\xff', 'w').close()"
    found = journey.run("plain-odd", script=odd, OutputDataConfig=place)
    why = "ClientError: Failed to upload model artifacts: 'out/plain-odd/output/model/\\udcff': "
    assert (found["TrainingJobStatus"], found["FailureReason"].startswith(why)) == ("Failed", True), found


HUGE = """
with open("/opt/ml/model/weights", "wb") as file:
    file.truncate(1 << 29)
"""


def test_huge_models_on_their_way_keep_no_other_job_waiting(journey: Journey) -> None:
    """Where all were quicker than the other job, nothing is shown: again."""
    assert any(_ends_beside_huge_models(journey, attempt) for attempt in range(5))


def _ends_beside_huge_models(journey: Journey, attempt: int) -> bool:
    """Whether a small job was over while models were still on their way."""
    place = {"S3OutputPath": f"s3://{BUCKET}/out", "CompressionType": "NONE"}
    names = [f"huge-{attempt}-{number}" for number in range(5)]
    for name in names:
        journey.create(name, script=HUGE, OutputDataConfig=place)
    for name in names:
        wait_until(lambda name=name: journey.describe(name)["SecondaryStatus"] in ("Uploading", "Completed"))  # type: ignore[misc]
    assert journey.run(f"beside-huge-{attempt}", script="print('here')")["TrainingJobStatus"] == "Completed"
    statuses = [journey.describe(name)["SecondaryStatus"] for name in names]
    for name in names:
        assert journey.finished(name)["TrainingJobStatus"] == "Completed"
        found = journey.s3.head_object(Bucket=BUCKET, Key=f"out/{name}/output/model/weights")
        assert found["ContentLength"] == 1 << 29
        journey.s3.delete_object(Bucket=BUCKET, Key=f"out/{name}/output/model/weights")
    return "Uploading" in statuses


def test_keys_that_cannot_be_files_fail_the_job_clearly(journey: Journey) -> None:
    journey.put("climbing/../../escape")
    found = journey.run("climbing", script="pass", InputDataConfig=[data("train", "climbing/")])
    assert found["TrainingJobStatus"] == "Failed"
    assert found["FailureReason"] == (
        "ClientError: Data download failed: the object key '../../escape' cannot be a file name"
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"algorithm": {"TrainingImage": "example.com/mine:1"}}, "Cannot find repository of training image"),
        ({"RoleArn": "arn:aws:iam::123456789012:role/Nobody"}, "Could not assume role"),
        ({"OutputDataConfig": {"S3OutputPath": "s3://no-such-bucket/x"}}, "Failed to access S3 output location"),
        ({"InputDataConfig": [data("train", "nothing/here")]}, "No S3 objects found under S3 URL"),
        ({"InputDataConfig": [data("train", "", source={"S3Uri": "s3://no-such-bucket/x"})]}, "No S3 objects found"),
        ({"InputDataConfig": [data("..", "exists")]}, "is not a channel name"),
        ({"CheckpointConfig": {"S3Uri": "s3://no-such-bucket/x"}}, "Failed to access S3 checkpoint location"),
        (
            {"CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/x", "LocalPath": "/opt/ml/../../etc"}},
            "cannot be a checkpoint folder",
        ),
        (
            {"ResourceConfig": {"InstanceType": "ml.m5.gigantic", "InstanceCount": 1, "VolumeSizeInGB": 1}},
            "enum value set",
        ),
    ],
)
def test_requests_refused_at_once(journey: Journey, changed: dict[str, Any], message: str) -> None:
    journey.put("exists")
    wanted = {"OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"}, **changed}
    with pytest.raises(ClientError, match=message) as caught:
        journey.sagemaker.create_training_job(**request("refused", **wanted))
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(ClientError, match=r"Requested resource not found\."):
        journey.describe("refused")


def test_names_are_unique_and_free_again_after_deletion(journey: Journey) -> None:
    journey.run("twice", script="pass")
    with pytest.raises(ClientError, match="Training job names must be unique") as caught:
        journey.create("twice", script="pass")
    assert caught.value.response["Error"]["Code"] == "ResourceInUse"
    journey.sagemaker.delete_training_job(TrainingJobName="twice")
    wait_gone(journey, "twice")
    assert journey.run("twice", script="pass")["TrainingJobStatus"] == "Completed"


def wait_gone(journey: Journey, name: str) -> None:
    def gone() -> bool:
        listed = journey.sagemaker.list_training_jobs(NameContains=name)["TrainingJobSummaries"]
        return not listed

    wait_until(gone)


def test_finished_jobs_leave_nothing_behind(journey: Journey) -> None:
    journey.run("tidy", script="pass")
    wait_until(lambda: not list((journey.clary.home / "jobs").iterdir()))


def test_gpu_types_need_a_gpu(journey: Journey) -> None:
    config = {"InstanceType": "ml.p3.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
    found = journey.run("gpu", script="pass", ResourceConfig=config)
    assert found["TrainingJobStatus"] == "Failed"
    assert found["FailureReason"].startswith("CapacityError: Unable to provision requested ML compute capacity.")
