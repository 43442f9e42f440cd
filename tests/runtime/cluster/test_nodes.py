"""`clary node join`: a machine of its own Region and size joins a cluster, takes jobs for its types, and leaves."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.capabilities.training.journey import BUCKET, Journey
from tests.capabilities.training.records import request
from tests.ray_cluster import PLACE, RayCluster
from tests.servers import CACHE, PATIENCE, REPOSITORY, Clary, wait_until

pytestmark = pytest.mark.timeout(300)

REGION, ZONE, TYPE = "eu-west-1", "eu-west-1b", "ml.g5.xlarge"
GIVEN = ["--region", REGION, "--zone", ZONE, "--types", f"{TYPE},ml.c5", "--gpus", "1", "--memory", "4", "--slots", "1"]


def environ(home: Path) -> dict[str, str]:
    own = {"CLARY_HOME": str(home), "CLARY_ENVIRONMENTS": str(CACHE / "environments"), "RAY_AUTH_MODE": "disabled"}
    return os.environ | own | {"PYTHONPATH": f"{REPOSITORY / 'src'}{os.pathsep}{PLACE}"}


class Joining:
    """The command, again when it ends: Ray gives a node 30 seconds to start, and no setting of that."""

    def __init__(self, cluster: RayCluster, home: Path) -> None:
        self._command = [sys.executable, "-m", "clary.cli", "node", "join", cluster.address, *GIVEN]
        self._home = home
        home.mkdir()
        self._start()

    def _start(self) -> None:
        with (self._home / "log").open("wb") as log:
            self.process = subprocess.Popen(self._command, env=environ(self._home), stdout=log, stderr=log)

    def told(self) -> str:
        return (self._home / "log").read_text()[-3000:]

    def is_there(self, clary: Clary) -> bool:
        if self.process.poll() is not None:
            assert "timed out during startup" in self.told(), self.told()
            self._start()
        return bool(offered(clary))


@contextmanager
def joined(cluster: RayCluster, home: Path) -> Iterator[Joining]:
    joining = Joining(cluster, home)
    try:
        yield joining
    finally:
        joining.process.terminate()
        joining.process.wait(PATIENCE)


def offered(clary: Clary) -> list[tuple[str, str]]:
    """The GPU types of the Region, each with its zone."""
    keys = clary.client_environ()
    ec2 = boto3.client(
        "ec2",
        endpoint_url=clary.url,
        region_name=REGION,
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
    )
    found = ec2.describe_instance_type_offerings(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": ["g5.*"]}]
    )
    return [(one["InstanceType"], one["Location"]) for one in found["InstanceTypeOfferings"]]


def in_region(journey: Journey) -> Journey:
    """The same, asking in the node's Region."""
    keys = journey.clary.client_environ()
    there = Journey.__new__(Journey)
    there.clary, there.s3 = journey.clary, journey.s3
    there.sagemaker, there.logs = (
        boto3.client(
            service,
            endpoint_url=journey.clary.url,
            region_name=REGION,
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        )
        for service in ("sagemaker", "logs")
    )
    return there


def of(instance_type: str, count: int = 1, **more: Any) -> dict[str, Any]:
    return {"ResourceConfig": {"InstanceType": instance_type, "InstanceCount": count, "VolumeSizeInGB": 1}, **more}


def test_a_node_joins_with_its_types_takes_their_jobs_and_leaves(
    journey: Journey, cluster: RayCluster, tmp_path: Path
) -> None:
    there = in_region(journey)
    with joined(cluster, tmp_path / "node") as joining:
        wait_until(lambda: joining.is_there(journey.clary), otherwise=joining.told)
        assert offered(journey.clary) == [("g5.xlarge", ZONE)]
        # A first job may have to build its environment there, and then that is what its status ends with.
        there.run("builds", script="pass", **of(TYPE))
        found = there.run("on-the-gpu", script="import os; print(os.environ['CUDA_VISIBLE_DEVICES'])", **of(TYPE))
        assert found["TrainingJobStatus"] == "Completed", there.told("on-the-gpu")
        assert "0" in there.log("on-the-gpu")
        downloading = next(one for one in found["SecondaryStatusTransitions"] if one["Status"] == "Downloading")
        assert "of 4 vCPU, 4 of 16 GiB memory, all that node" in downloading["StatusMessage"]
        row = journey.clary.command("instances", "--region", REGION, "--family", "g5", "--json", check=True).stdout
        assert '"capped"' in row
    wait_until(lambda: not offered(journey.clary))
    found = there.run("too-late", script="pass", **of(TYPE))
    assert found["FailureReason"].startswith("CapacityError: Unable to provision requested ML compute capacity.")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            of("ml.m5.large", 2, EnableNetworkIsolation=True),
            "EnableNetworkIsolation is not supported for jobs with several",
        ),
        ({"image": "own:1"}, "would run as a container, which the nodes of a Ray cluster do not do yet"),
    ],
)
def test_what_nodes_cannot_do_is_refused_at_create(journey: Journey, more: dict[str, Any], said: str) -> None:
    image = more.pop("image", None) if "image" in more else None
    wanted = request("refused", OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out"}, **more)
    if image:
        wanted["AlgorithmSpecification"]["TrainingImage"] = image
    with pytest.raises(ClientError, match=said):
        journey.sagemaker.create_training_job(**wanted)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--region", "atlantis-1"], "'atlantis-1' is not an AWS Region"),
        (["--zone", "eu-west-1b"], "--zone needs --region"),
        (["--region", REGION, "--zone", "us-east-1a"], "'us-east-1a' is not a zone of eu-west-1"),
        (["--types", "ml.nothing"], "there is no instance type 'ml.nothing.*'"),
        (["--cpus", "0"], "--cpus must be more than 0"),
    ],
)
def test_what_is_wrong_of_a_node_is_said(cluster: RayCluster, tmp_path: Path, words: list[str], said: str) -> None:
    command = [sys.executable, "-m", "clary.cli", "node", "join", cluster.address, *words]
    done = subprocess.run(command, env=environ(tmp_path), capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr
