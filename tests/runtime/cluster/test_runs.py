"""A job that starts again and again on a real Ray cluster: an interruption, a lost node, and what is billed."""

import json
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.capabilities.training.journey import BUCKET, Journey
from tests.ray_cluster import RayCluster
from tests.servers import wait_until

from clary.runtime.cluster.backend import NEAR_BYTES

pytestmark = pytest.mark.timeout(600)

LAST_RUN = 3
STEPS = """
import json, os, time
def load(name):
    path = f"/opt/ml/checkpoints/{name}"
    return json.load(open(path)) if os.path.exists(path) else 0
def save(name, value):
    with open(f"/opt/ml/checkpoints/{name}.new", "w") as file:
        json.dump(value, file)
    os.rename(file.name, file.name[:-4])
run, step = load("runs") + 1, load("steps")
save("runs", run)
end = step + 10 if run == LAST_RUN else 1_000_000
print(json.dumps({"run": run, "from": step, "at": time.time()}), flush=True)
while step < end:
    step += 1
    save("steps", step)
    time.sleep(0.1)
with open("/opt/ml/model/large", "wb") as file:
    file.write(os.urandom(LARGE))
print(json.dumps({"run": run, "to": step, "at": time.time()}), flush=True)
""".replace("LAST_RUN", str(LAST_RUN)).replace("LARGE", str(NEAR_BYTES + 1))
SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 3600},
    "RetryStrategy": {"MaximumRetryAttempts": 1},
    "CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/of-runs"},
}


def test_a_job_resumes_after_an_interruption_and_on_another_node(journey: Journey, cluster: RayCluster) -> None:
    journey.create("runs", script=STEPS, **SPOT)
    _await_checkpoint_of(journey, 1)
    journey.until("runs", "Training")
    assert journey.clary.command("interrupt", "runs").returncode == 0
    _await_checkpoint_of(journey, 2)
    cut = datetime.now().timestamp()
    cluster.cut(next(node for node in cluster.nodes if any(node.home.glob("jobs/*/algo-1"))))
    cluster.join()
    told = journey.finished("runs")

    said = [json.loads(line) for line in journey.log("runs") if line.startswith("{")]
    begins = [one for one in said if "from" in one]
    assert [one["run"] for one in begins] == [1, 2, 3], journey.told("runs")
    assert 0 == begins[0]["from"] < begins[1]["from"] < begins[2]["from"]
    statuses = [entry["Status"] for entry in told["SecondaryStatusTransitions"]]
    begun = ["Starting", "Downloading", "Training"]
    ends = ["Interrupted", *begun, "Restarting", *begun, "Uploading", "Completed"]
    assert (told["TrainingJobStatus"], statuses) == ("Completed", begun + ends)
    assert journey.archive("runs")["large"].size == NEAR_BYTES + 1
    _bills_what_ran(told, begins, cut, said[-1]["at"])


def _await_checkpoint_of(journey: Journey, run: int) -> None:
    """Until S3 has one of that run: a run puts what it has taken over too, and its number first."""

    def there() -> bool:
        try:
            saved = journey.s3.get_object(Bucket=BUCKET, Key="of-runs/runs")["Body"].read()
            return bool(json.loads(saved) == run and journey.s3.head_object(Bucket=BUCKET, Key="of-runs/steps"))
        except ClientError:
            return False

    wait_until(there, 120, lambda: journey.told("runs"))


def _bills_what_ran(told: Any, begins: list[Any], cut: float, end: float) -> None:
    """The runs alone, not the time between them, and of the lost one not what Ray took to find that it is lost."""
    starts = [one["at"] for one in begins]
    transitions = {entry["Status"]: entry["EndTime"].timestamp() for entry in told["SecondaryStatusTransitions"][:3]}
    first = transitions["Training"] - starts[0]
    ran = first + (cut - starts[1]) + (end - starts[2])
    # Python starts before it prints, and stops before its end is seen: some seconds on a busy machine.
    assert ran - 1 <= told["TrainingTimeInSeconds"] <= ran + 3 * 8
    assert told["BillableTimeInSeconds"] == told["TrainingTimeInSeconds"]
