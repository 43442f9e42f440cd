"""What jobs use of their hosts, as CloudWatch tells it: real jobs, measured each second."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.capabilities.processing.journey import Journey as Processing
from tests.capabilities.training.journey import Journey as Training
from tests.servers import Clary, wait_until

pytestmark = pytest.mark.timeout(300)

MIB = 1024**2
HELD = 300
BUSY_OR_LARGE = f"""
import os, time
if os.environ["SM_CURRENT_HOST"] == "algo-1":
    while True: pass
held = b"x" * ({HELD} * {MIB})
time.sleep(600)
"""


@pytest.fixture(scope="module")
def clary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clary]:
    with Clary(tmp_path_factory.mktemp("measures") / "home", host_metrics_seconds="1") as clary:
        yield clary.start()


def listed(clary: Clary, namespace: str) -> set[tuple[str, str]]:
    """Metric and host."""
    found = clary.client("cloudwatch").list_metrics(Namespace=namespace)["Metrics"]
    return {(metric["MetricName"], metric["Dimensions"][0]["Value"]) for metric in found}


def told(clary: Clary, namespace: str, name: str, host: str) -> Any:
    """Of the whole run."""
    now = datetime.now(UTC)
    (point,) = clary.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": "Host", "Value": host}],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1),
        Period=7200,
        Statistics=["Minimum", "Maximum", "SampleCount"],
    )["Datapoints"]
    return point


def test_a_training_jobs_hosts(clary: Clary) -> None:
    space, host = "/aws/sagemaker/TrainingJobs", "measured/algo-"
    journey = Training(clary)
    two = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 10}
    journey.create("measured", script=BUSY_OR_LARGE, ResourceConfig=two)
    names = ("CPUUtilization", "MemoryUtilization", "DiskUtilization")
    expected = {(name, f"{host}{number}") for name in names for number in (1, 2)}
    wait_until(lambda: listed(clary, space) == expected, otherwise=lambda: journey.told("measured"))

    def seen() -> bool:
        memory = (told(clary, space, "MemoryUtilization", f"{host}{number}") for number in (1, 2))
        small, large = (point["Maximum"] for point in memory)
        cpu, idle = (told(clary, space, "CPUUtilization", f"{host}{number}") for number in (1, 2))
        # It gets little of a busy machine now and then.
        works = cpu["Maximum"] > 20 and idle["Minimum"] < cpu["Maximum"] / 4
        # Of an ml.m5.large's 8 GiB at most; a smaller machine has less.
        return bool(large - small > 100 * (HELD - 30) / 8192 and cpu["SampleCount"] > 2 and works)

    wait_until(seen, otherwise=lambda: journey.told("measured"))
    assert told(clary, space, "CPUUtilization", f"{host}1")["Maximum"] < 250
    disk = told(clary, space, "DiskUtilization", f"{host}1")
    assert 0 < disk["Minimum"] <= disk["Maximum"] <= 100
    journey.sagemaker.stop_training_job(TrainingJobName="measured")
    assert journey.finished("measured")["TrainingJobStatus"] == "Stopped"
    # What has no GPU says nothing of one.
    assert listed(clary, space) == expected


def test_a_processing_jobs_host(clary: Clary) -> None:
    space, host = "/aws/sagemaker/ProcessingJobs", "measured/algo-1"
    journey = Processing(clary)
    journey.create("measured", "while True: pass")
    names = ("CPUUtilization", "MemoryUtilization", "DiskUtilization")
    wait_until(
        lambda: listed(clary, space) == {(name, host) for name in names}, otherwise=lambda: journey.told("measured")
    )
    wait_until(lambda: told(clary, space, "CPUUtilization", host)["Maximum"] > 20)
    journey.sagemaker.stop_processing_job(ProcessingJobName="measured")
    assert journey.finished("measured")["ProcessingJobStatus"] == "Stopped"
