"""Training jobs of an unmodified boto3 on a Clary whose instances run on the nodes of a real Ray cluster."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import ClientError
from tests.capabilities.training.journey import BUCKET, Journey, data
from tests.ray_cluster import PLACE, RayCluster
from tests.servers import Clary, wait_until

pytestmark = pytest.mark.timeout(600)

LOOK = """
import json, os, socket
host = os.environ["SM_CURRENT_HOST"]
folder = "/opt/ml/input/data/train"
print(json.dumps({name: open(f"{folder}/{name}").read() for name in sorted(os.listdir(folder))}))
print("others=%d;" % len([name for name in json.loads(os.environ["SM_HOSTS"]) if socket.gethostbyname(name)]))
with open(os.path.join(os.environ["SM_MODEL_DIR"], host), "w") as model:
    model.write(host)
"""
WAIT = """
import os, time
os.makedirs("/opt/ml/checkpoints", exist_ok=True)
with open("/opt/ml/checkpoints/begun", "a") as file:
    file.write("once\\n")
print("up", flush=True)
end = os.stat("/opt/ml/checkpoints/begun").st_mtime + SECONDS
while time.time() < end:
    time.sleep(0.05)
print("down", flush=True)
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    made = RayCluster(nodes=3, slots=2, head_slots=0)
    yield made
    made.stop()


@pytest.fixture
def journey(cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journey]:
    monkeypatch.setenv("PYTHONPATH", str(PLACE), prepend=":")
    with Clary(tmp_path / "home") as clary:
        clary.start("--backend", "ray", "--ray-address", cluster.address)
        yield Journey(clary)


def on(count: int) -> dict[str, object]:
    return {"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": count, "VolumeSizeInGB": 1}}


def says_up(journey: Journey, name: str) -> bool:
    try:
        return "up" in journey.log(name)
    except ClientError:
        # There is no log yet.
        return False


def test_a_job_on_two_nodes_finds_its_data_and_leaves_its_model(journey: Journey) -> None:
    for number in range(20):
        journey.put(f"numbers/{number}", str(number).encode())
    found = journey.run("two", script=LOOK, InputDataConfig=[data("train", "numbers/")], **on(2))
    assert found["TrainingJobStatus"] == "Completed", journey.told("two")
    for host in ("algo-1", "algo-2"):
        lines = journey.log("two", host)
        assert json.dumps({str(n): str(n) for n in sorted(range(20), key=str)}) in lines
        assert "others=2;" in lines
    assert journey.archive("two").keys() == {"algo-1", "algo-2"}


def test_a_killed_controller_finds_its_job_again(journey: Journey, cluster: RayCluster) -> None:
    config = {"CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/saved", "LocalPath": "/opt/ml/checkpoints"}}
    journey.create("long", script=WAIT.replace("SECONDS", "8"), **config, **on(1))
    wait_until(lambda: says_up(journey, "long"))
    journey.clary.process.send_signal(signal.SIGKILL)
    journey.clary.process.wait()
    journey.clary.start("--backend", "ray", "--ray-address", cluster.address)
    found = journey.finished("long")
    assert found["TrainingJobStatus"] == "Completed", journey.told("long")
    assert [line for line in journey.log("long") if line in ("up", "down")] == ["up", "down"]
    assert journey.s3.get_object(Bucket=BUCKET, Key="saved/begun")["Body"].read() == b"once\n"


def test_a_job_whose_node_dies_fails_and_says_so(journey: Journey, cluster: RayCluster) -> None:
    journey.create("doomed", script=WAIT.replace("SECONDS", "600"), **on(1))
    wait_until(lambda: says_up(journey, "doomed"))
    victim = next(node for node in cluster.nodes if any(node.home.glob("jobs/*/algo-1")))
    cluster.cut(victim)
    cluster.join()
    found = journey.finished("doomed")
    assert found["TrainingJobStatus"] == "Failed"
    assert "lost" in found["FailureReason"]


def test_a_job_whose_actor_is_killed_goes_on(journey: Journey, cluster: RayCluster) -> None:
    config = {"CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/kept", "LocalPath": "/opt/ml/checkpoints"}}
    journey.create("kept", script=WAIT.replace("SECONDS", "6"), **config, **on(1))
    wait_until(lambda: says_up(journey, "kept"))
    for process in psutil.process_iter(["cmdline"]):
        if (process.info["cmdline"] or [""])[0].startswith("ray::Seat"):
            process.kill()
    found = journey.finished("kept")
    assert found["TrainingJobStatus"] == "Completed", journey.told("kept")
    assert [line for line in journey.log("kept") if line in ("up", "down")] == ["up", "down"]
