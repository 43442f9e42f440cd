"""Training jobs of an unmodified boto3 on a Clary whose instances run on the nodes of a real Ray cluster."""

import contextlib
import json
import signal

import psutil
import pytest
from botocore.exceptions import ClientError
from tests.capabilities.training.journey import BUCKET, Journey, data
from tests.ray_cluster import RayCluster
from tests.servers import wait_until

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
folder = "/opt/ml/checkpoints/"
with open(folder + "begun", "a") as file:
    file.write("once\\n")
print("up", flush=True)
while not os.path.exists(folder + "go"):
    time.sleep(0.05)
print("down", flush=True)
"""


def on(count: int) -> dict[str, object]:
    return {"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": count, "VolumeSizeInGB": 1}}


def says_up(journey: Journey, name: str) -> bool:
    try:
        return "up" in journey.log(name)
    except (ClientError, ValueError):
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


def test_what_is_killed_around_a_job_finds_it_again(journey: Journey, cluster: RayCluster) -> None:
    config = {"CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/saved", "LocalPath": "/opt/ml/checkpoints"}}
    journey.create("long", script=WAIT, **config, **on(1))
    wait_until(lambda: says_up(journey, "long"))
    kill_actors(cluster)
    journey.clary.process.send_signal(signal.SIGKILL)
    journey.clary.process.wait()
    journey.clary.start()
    for node in cluster.nodes:
        for folder in node.home.glob("jobs/*/algo-1/*checkpoints"):
            (folder / "go").touch()
    found = journey.finished("long")
    assert found["TrainingJobStatus"] == "Completed", journey.told("long")
    assert [line for line in journey.log("long") if line in ("up", "down")] == ["up", "down"]
    assert journey.s3.get_object(Bucket=BUCKET, Key="saved/begun")["Body"].read() == b"once\n"


def kill_actors(cluster: RayCluster) -> None:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            mine = process.environ().get("CLARY_NODE_HOME", "").startswith(str(cluster.home))
            if mine and process.name().startswith(("ray::Seat", "ray::Warden")):
                process.kill()
