"""Jobs that start again, wait, are interrupted, entered and kept: on a real server, with unmodified boto3."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError
from tests.capabilities.training.journey import BUCKET, Journey
from tests.servers import PATIENCE, Clary, wait_until

SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 1200},
}
RESUME = """
import os, signal, sys, time
folder = "/opt/ml/checkpoints"
found = sorted(os.listdir(folder))
print("found", ",".join(found), flush=True)
if "second" in found:
    open("/opt/ml/model/m", "w").write(",".join(found))
    sys.exit(0)
if "last" in found:
    os.remove(folder + "/first")
    open(folder + "/second", "w").write("2")
def save(number, frame):
    open(folder + "/last", "w").write("saved at the end")
    sys.exit(1)
signal.signal(signal.SIGTERM, save)
if "last" not in found:
    open(folder + "/first", "w").write("1")
print("waits", flush=True)
time.sleep(600)
"""
WAITS = "import time; print('waits', flush=True); time.sleep(600)"


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    home = tmp_path_factory.mktemp("again") / "home"
    with Clary(home, spot_discount="0.5", slots="2", freeze_failed_seconds="3600") as clary:
        clary.start()
        yield Journey(clary)


def keys(journey: Journey, prefix: str) -> list[str]:
    found = journey.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return [entry["Key"].removeprefix(prefix) for entry in found]


def waits(journey: Journey, name: str, times: int = 1) -> None:
    """Until the script has said so, in so many runs."""
    wait_until(lambda: journey.printed(name).count("waits") >= times, PATIENCE, lambda: journey.told(name))


def interrupt(journey: Journey, name: str) -> None:
    journey.until(name, "Training")
    done = journey.clary.command("interrupt", name)
    assert done.returncode == 0, done.stderr


def statuses(told: Any) -> list[str]:
    return [entry["Status"] for entry in told["SecondaryStatusTransitions"]]


ROUND = ["Interrupted", "Starting", "Downloading", "Training"]


def test_a_spot_job_resumes_from_its_checkpoints(again: Journey) -> None:
    again.put("ckpt/earlier", b"0")
    again.create("spot", script=RESUME, CheckpointConfig={"S3Uri": f"s3://{BUCKET}/ckpt"}, **SPOT)
    for run in (1, 2):
        waits(again, "spot", run)
        interrupt(again, "spot")
    told = again.finished("spot")
    found = [line for line in again.log("spot") if line.startswith("found")]
    assert found == ["found earlier", "found earlier,first,last", "found earlier,last,second"]
    assert told["TrainingJobStatus"] == "Completed"
    assert statuses(told) == ["Starting", "Downloading", "Training", *ROUND, *ROUND, "Uploading", "Completed"]
    assert keys(again, "ckpt/") == ["earlier", "last", "second"]
    wall = (told["TrainingEndTime"] - told["TrainingStartTime"]).total_seconds()
    assert 1 <= told["TrainingTimeInSeconds"] <= wall + 1
    assert told["BillableTimeInSeconds"] == -(-told["TrainingTimeInSeconds"] // 2)


def test_what_is_no_running_spot_job_is_not_interrupted(again: Journey) -> None:
    again.create("lasting", script=WAITS)
    waits(again, "lasting")
    told = [again.clary.command("interrupt", name) for name in ("lasting", "nobody")]
    assert [each.returncode for each in told] == [1, 1]
    assert "is not a managed spot training job" in told[0].stderr
    again.sagemaker.stop_training_job(TrainingJobName="lasting")
    again.finished("lasting")


def test_a_controller_killed_around_an_interruption_makes_one_more_run(again: Journey) -> None:
    again.create("killed", script=RESUME, CheckpointConfig={"S3Uri": f"s3://{BUCKET}/of-killed"}, **SPOT)
    for run in (1, 2):
        waits(again, "killed", run)
        interrupt(again, "killed")
        for _ in range(3):
            kill_controller(again.clary)
    told = again.finished("killed")
    assert told["TrainingJobStatus"] == "Completed"
    assert again.log("killed").count("waits") == 2
    assert statuses(told)[-6:] == [*ROUND, "Uploading", "Completed"]
    assert keys(again, "of-killed/") == ["last", "second"]


def kill_controller(clary: Clary) -> None:
    for child in psutil.Process(clary.process.pid).children(recursive=True):
        # One that was killed before may not have been collected yet.
        with suppress(psutil.NoSuchProcess):
            if "clary.controller" in child.cmdline():
                child.send_signal(signal.SIGKILL)
                child.wait(PATIENCE)


def test_a_platform_failure_is_tried_again(again: Journey) -> None:
    again.create("retried", script=WAITS, RetryStrategy={"MaximumRetryAttempts": 1})
    for run in (1, 2):
        waits(again, "retried", run)
        kill_shim(again, "retried")
    told = again.finished("retried")
    assert told["RetryStrategy"] == {"MaximumRetryAttempts": 1}
    assert (told["TrainingJobStatus"], told["FailureReason"].split(":")[0]) == ("Failed", "InternalServerError")
    wall = (told["TrainingEndTime"] - told["TrainingStartTime"]).total_seconds()
    assert (
        told["BillableTimeInSeconds"] == told["TrainingTimeInSeconds"]
        and 1 <= told["TrainingTimeInSeconds"] <= wall + 1
    )
    again_run = ["Restarting", "Starting", "Downloading", "Training"]
    assert statuses(told) == ["Starting", "Downloading", "Training", *again_run, "Failed"]


def kill_shim(journey: Journey, name: str) -> None:
    told = json.loads((job_folder(journey, name) / "algo-1/status.jsonl").read_text().splitlines()[-1])
    os.kill(told["pid"], signal.SIGKILL)


def job_folder(journey: Journey, name: str) -> Path:
    arn = journey.describe(name)["TrainingJobArn"]
    return next(file.parent for file in (journey.clary.home / "jobs").glob("*/workload.json") if arn in _text(file))


def _text(file: Path) -> str:
    """Nothing where it has just gone."""
    try:
        return file.read_text()
    except FileNotFoundError:
        return ""


EACH_ITS_OWN = """
import os, time
folder, host = "/opt/ml/ckpt/state", os.environ["SM_CURRENT_HOST"]
if host == "algo-1":
    os.remove(folder + "/old")
    open(folder + "/seeded", "w").write("changed by the first")
    os.makedirs(folder + "/sub")
open(folder + "/large-" + host, "wb").write(b"x" * (17 << 20))
print("waits", flush=True)
while not os.path.exists("/tmp/go"):
    time.sleep(0.05)
"""


def test_checkpoints_of_all_hosts_follow_their_folders_while_they_run(again: Journey) -> None:
    for name in ("old", "seeded"):
        again.put(f"of-hosts/{name}", b"0")
    config = {"S3Uri": f"s3://{BUCKET}/of-hosts/", "LocalPath": "/opt/ml/ckpt/state"}
    again.create("hosts", script=EACH_ITS_OWN, count=2, CheckpointConfig=config)
    waits(again, "hosts")
    expected = ["large-algo-1", "large-algo-2", "seeded"]
    wait_until(lambda: keys(again, "of-hosts/") == expected, PATIENCE, lambda: again.told("hosts"))
    assert again.describe("hosts")["SecondaryStatus"] == "Training"
    seeded = again.s3.get_object(Bucket=BUCKET, Key="of-hosts/seeded")["Body"].read()
    assert seeded == b"changed by the first"
    for host in ("algo-1", "algo-2"):
        # The job, and with it this shell, ends at the last of it.
        command = "cd /opt/ml/ckpt/state; touch last-$SM_CURRENT_HOST; rm large-*; touch /tmp/go"
        command = command.replace("$SM_CURRENT_HOST", host)
        assert again.clary.command("shell", "hosts", "--host", host, "-c", command).returncode in (0, -signal.SIGKILL)
    assert again.finished("hosts")["TrainingJobStatus"] == "Completed"
    assert keys(again, "of-hosts/") == ["last-algo-1", "last-algo-2", "seeded"]


def test_a_spot_job_waits_no_longer_than_it_may(again: Journey) -> None:
    again.create("blocking", script=WAITS, count=2)
    waits(again, "blocking")
    short = {"StoppingCondition": {"MaxRuntimeInSeconds": 2, "MaxWaitTimeInSeconds": 2}}
    told = again.run("impatient", script=WAITS, **SPOT | short)
    assert (told["TrainingJobStatus"], told["SecondaryStatus"]) == ("Stopped", "MaxWaitTimeExceeded")
    assert "TrainingTimeInSeconds" not in told
    again.sagemaker.stop_training_job(TrainingJobName="blocking")
    again.finished("blocking")


def test_chance_interrupts_at_the_rate_that_is_set(tmp_path: Path) -> None:
    with Clary(tmp_path / "home", spot_interruptions_per_hour="36000") as clary:
        journey = Journey(clary.start())
        journey.create("unlucky", script=WAITS, **SPOT)
        wait_until(lambda: "Interrupted" in statuses(journey.describe("unlucky")), PATIENCE)


def test_quota_of_warm_pools_counts_them_to_their_end(again: Journey) -> None:
    quotas = again.clary.client("service-quotas")
    name = "ml.m5.xlarge for training warm pool usage"
    pages = quotas.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
    code = next(each["QuotaCode"] for page in pages for each in page["Quotas"] if each["QuotaName"] == name)
    quotas.request_service_quota_increase(ServiceCode="sagemaker", QuotaCode=code, DesiredValue=1)
    sizes = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10, "KeepAlivePeriodInSeconds": 600}
    again.run("pool-1", script="print('done')", ResourceConfig=sizes)
    with pytest.raises(ClientError, match=f"The account-level service limit '{name}' is 1 Instances"):
        again.create("pool-2", ResourceConfig=sizes)
    again.sagemaker.update_training_job(TrainingJobName="pool-1", ResourceConfig={"KeepAlivePeriodInSeconds": 0})
    wait_until(lambda: again.describe("pool-1")["WarmPoolStatus"]["Status"] == "Terminated", PATIENCE)
    assert again.run("pool-3", script="print('done')", ResourceConfig=sizes)["TrainingJobStatus"] == "Completed"
    again.sagemaker.delete_training_job(TrainingJobName="pool-3")


def test_a_warm_pool_is_held_and_reused(again: Journey) -> None:
    warm = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 10, "KeepAlivePeriodInSeconds": 600}
    again.run("warm-1", script="print('done')", ResourceConfig=warm)
    first = again.describe("warm-1")
    assert (first["TrainingJobStatus"], first["WarmPoolStatus"]["Status"]) == ("Completed", "Available")
    listed = again.sagemaker.list_training_jobs(WarmPoolStatusEquals="Available")["TrainingJobSummaries"]
    assert [entry["TrainingJobName"] for entry in listed] == ["warm-1"]
    # Its room is taken: another kind of job waits, and one that matches does not.
    again.create("cold", script="print('done')")
    again.until("cold", "Pending")
    again.create("warm-2", script=WAITS, ResourceConfig=warm)
    waits(again, "warm-2")
    first, second = again.describe("warm-1"), again.describe("warm-2")
    assert first["WarmPoolStatus"] == {
        "Status": "Reused",
        "ReusedByJob": "warm-2",
        "ResourceRetainedBillableTimeInSeconds": first["WarmPoolStatus"]["ResourceRetainedBillableTimeInSeconds"],
    }
    assert second["WarmPoolStatus"] == {"Status": "InUse"}
    again.sagemaker.stop_training_job(TrainingJobName="warm-2")
    again.finished("warm-2")
    assert again.describe("warm-2")["WarmPoolStatus"] == {"Status": "Available"}
    assert again.describe("cold")["SecondaryStatus"] == "Pending"
    kill_controller(again.clary)
    again.sagemaker.update_training_job(TrainingJobName="warm-2", ResourceConfig={"KeepAlivePeriodInSeconds": 0})
    wait_until(lambda: again.describe("warm-2")["WarmPoolStatus"]["Status"] == "Terminated", PATIENCE)
    assert again.finished("cold")["TrainingJobStatus"] == "Completed"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({**SPOT, "StoppingCondition": {"MaxRuntimeInSeconds": 600}}, "Invalid MaxWaitTimeInSeconds. It must be"),
        ({**SPOT, "StoppingCondition": {"MaxRuntimeInSeconds": 9, "MaxWaitTimeInSeconds": 8}}, "Invalid MaxWait"),
        ({"StoppingCondition": {"MaxWaitTimeInSeconds": 8}}, "MaxWaitTimeInSeconds is only supported"),
        ({**SPOT, "ResourceConfig": {"KeepAlivePeriodInSeconds": 60}}, "KeepAlivePeriodInSeconds is not supported"),
    ],
)
def test_what_cannot_be_is_refused(again: Journey, more: dict[str, Any], why: str) -> None:
    sizes = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10}
    more = more | {"ResourceConfig": sizes | more.get("ResourceConfig", {})}
    with pytest.raises(ClientError, match=why):
        again.create("refused", **more)


def test_a_shell_sees_what_the_job_sees(again: Journey) -> None:
    again.create("entered", script="open('/tmp/mine', 'w').write('of the job ')\n" + WAITS)
    waits(again, "entered")
    seen = again.clary.command("shell", "entered", "-c", "cat /tmp/mine; echo $TRAINING_JOB_NAME; hostname")
    assert (seen.returncode, seen.stdout.split()) == (0, ["of", "the", "job", "entered", "algo-1"]), seen.stderr
    assert again.clary.command("shell", "entered", "-c", "exit 3").returncode == 3
    assert again.clary.command("shell", "entered", "--host", "algo-2").returncode == 1
    again.sagemaker.stop_training_job(TrainingJobName="entered")
    again.finished("entered")


def test_a_failed_job_is_kept_for_inspection(again: Journey) -> None:
    script = "open('/opt/ml/output/trace', 'w').write('why'); raise SystemExit(1)"
    assert again.run("frozen", script=script)["TrainingJobStatus"] == "Failed"
    seen = again.clary.command("shell", "frozen", "-c", "cat /opt/ml/output/trace")
    assert (seen.returncode, seen.stdout) == (0, "why"), seen.stderr
    again.sagemaker.delete_training_job(TrainingJobName="frozen")
    wait_until(lambda: again.clary.command("shell", "frozen", "-c", "true").returncode == 1, PATIENCE)
