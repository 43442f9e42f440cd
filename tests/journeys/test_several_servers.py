"""Two servers, each with a home of its own, on one PostgreSQL and one S3 of others: what a user of both sees."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import psutil
import pytest
from tests.capabilities.training.journey import BUCKET, Journey, data
from tests.databases import database_of_servers, postgres
from tests.harness import ACCESS_KEY, SECRET, OneKey, serve
from tests.servers import Clary, wait_until

from clary.objects import LocalObjects
from clary.objects.server import S3
from clary.resources.database import Database
from clary.wire.models import Models
from clary.wire.operations import Registry

__all__ = ["postgres"]

pytestmark = pytest.mark.timeout(600)

READS = """
import os, boto3
found = {name: open(f"/opt/ml/input/data/train/{name}").read() for name in os.listdir("/opt/ml/input/data/train")}
print("found", sorted(found.items()))
boto3.client("s3").put_object(Bucket="journeys", Key="by-hand", Body=b"from inside")
open("/opt/ml/model/model.txt", "w").write("made")
"""
WAITS = """
import time, boto3, botocore.exceptions
s3 = boto3.client("s3")
print("begun", flush=True)
found = False
while not found:
    time.sleep(0.2)
    try:
        found = s3.list_objects_v2(Bucket="journeys", Prefix="signal")["KeyCount"]
    except botocore.exceptions.BotoCoreError:
        pass  # its server is away, which is what the tests are about
"""
DATA = [data("train", "in/")]


@dataclass
class Two:
    first: Clary
    second: Clary


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Iterator[Two]:
    folder = tmp_path_factory.mktemp("servers")
    database = Database(f"sqlite:///{folder}/store.db")
    with serve(Registry([]), OneKey(), s3=S3(LocalObjects(folder / "store", database), Models())) as store:
        shared = {
            "database": database_of_servers(postgres),
            "s3_endpoint": store,
            "s3_access_key": ACCESS_KEY,
            "s3_secret_key": SECRET,
            "slots": "1",
        }
        with Clary(folder / "first", **shared) as first, Clary(folder / "second", **shared) as second:
            yield Two(first.start(), second)
    database.close()


@pytest.fixture(scope="module")
def journeys(two: Two) -> tuple[Journey, Journey]:
    """Through the first server, which leads, and through the second."""
    alone = two.second.command("up")
    assert (alone.returncode, "secrets/master.key" in alone.stderr) == (1, True), alone.stderr
    shutil.copy(two.first.home / "secrets/master.key", two.second.home / "secrets/master.key")
    two.second.start()
    first, second = Journey(two.first), Journey(two.second)
    for key, body in {"in/a": b"1", "in/b": b"2"}.items():
        second.put(key, body)
    return first, second


def controllers(clary: Clary) -> set[int]:
    found = set()
    for child in psutil.Process(clary.process.pid).children():
        with suppress(psutil.Error):
            # One that has just ended has no command line.
            found |= {child.pid} if "clary.controller" in child.cmdline() else set()
    return found


def test_jobs_and_objects_through_either(journeys: tuple[Journey, Journey]) -> None:
    first, second = journeys
    found = second.run("either", script=READS, InputDataConfig=DATA)
    assert found["TrainingJobStatus"] == "Completed", second.told("either")
    without = ("ResponseMetadata",)
    described = [
        {name: value for name, value in one.describe("either").items() if name not in without} for one in journeys
    ]
    assert described[0] == described[1]
    for one in (first, second):
        assert one.archive("either").keys() == {"model.txt"}
        assert "found [('a', '1'), ('b', '2')]" in one.log("either")
        assert one.s3.get_object(Bucket=BUCKET, Key="by-hand")["Body"].read() == b"from inside"


def test_what_becomes_of_jobs_when_the_server_that_leads_dies(two: Two, journeys: tuple[Journey, Journey]) -> None:
    first, second = journeys
    second.create("goes-on", script=WAITS)
    second.until("goes-on", "Training")
    second.says("goes-on", "begun")
    (before,) = controllers(two.first)
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: controllers(two.first) - {before})
    second.put("signal")
    assert second.finished("goes-on")["TrainingJobStatus"] == "Completed", second.told("goes-on")

    two.second.stop()
    (two.second.home / "clary.toml").write_text("takeover_seconds = 1.0")
    two.second.start()
    second.s3.delete_object(Bucket=BUCKET, Key="signal")
    second.create("lost", script=WAITS)
    second.until("lost", "Training")
    second.create("waits", script=READS, InputDataConfig=DATA)
    second.until("waits", "Pending")
    two.first.stop(signal.SIGKILL)
    lost, waits = second.finished("lost"), second.finished("waits")
    assert (lost["TrainingJobStatus"], "is gone" in lost["FailureReason"]) == ("Failed", True), lost
    assert waits["TrainingJobStatus"] == "Completed", second.told("waits")

    two.first.start()
    wait_until(lambda: not list((two.first.home / "jobs").glob("*/algo-1")))
    assert first.run("later", script=READS, InputDataConfig=DATA)["TrainingJobStatus"] == "Completed"
    assert first.describe("lost")["TrainingJobStatus"] == "Failed"
