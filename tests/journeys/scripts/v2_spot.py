"""SDK v2: managed spot training interrupted and resumed from its checkpoints, with its savings; a warm pool reused."""

import contextlib
import io
import os
import shlex
import subprocess
import time
from pathlib import Path

import sagemaker
from sagemaker.sklearn import SKLearn

session = sagemaker.Session()
bucket = session.default_bucket()
common = {
    "entry_point": "train.py",
    "source_dir": str(Path(__file__).parent / "code" / "spot"),
    "framework_version": "1.2-1",
    "py_version": "py3",
    "instance_type": "ml.m5.large",
    "role": sagemaker.get_execution_role(session),
    "sagemaker_session": session,
}
estimator = SKLearn(
    **common,
    use_spot_instances=True,
    max_run=600,
    max_wait=900,
    checkpoint_s3_uri=f"s3://{bucket}/v2-spot/checkpoints",
    hyperparameters={"wait": 1},
)
estimator.fit(wait=False)
name = estimator.latest_training_job.name
while not session.list_s3_files(bucket, "v2-spot/checkpoints/epoch-1"):
    time.sleep(0.2)
while session.describe_training_job(name)["SecondaryStatus"] != "Training":
    time.sleep(0.2)
subprocess.run([*shlex.split(os.environ["CLARY_INTERRUPT"]), name], check=True)
printed = io.StringIO()
with contextlib.redirect_stdout(printed):
    estimator.latest_training_job.wait(logs="All")
print(printed.getvalue())
assert "resumed after epoch 1" in printed.getvalue()
assert "Training seconds: " in printed.getvalue()
assert "Managed Spot Training savings: " in printed.getvalue()
told = session.describe_training_job(name)
transitions = [entry["Status"] for entry in told["SecondaryStatusTransitions"]]
assert transitions[2:7] == ["Training", "Interrupted", "Starting", "Downloading", "Training"], transitions

# A size of its own: any other job of this account that matches may take the pool.
warm = [SKLearn(**common, volume_size=31, keep_alive_period_in_seconds=300) for _ in range(2)]
for each in warm:
    each.fit(logs=False)
first, second = (session.describe_training_job(each.latest_training_job.name) for each in warm)
assert first["WarmPoolStatus"]["Status"] == "Reused", first
assert first["WarmPoolStatus"]["ReusedByJob"] == second["TrainingJobName"], first
assert second["WarmPoolStatus"] == {"Status": "Available"}, second
session.update_training_job(second["TrainingJobName"], resource_config={"KeepAlivePeriodInSeconds": 0})
while session.describe_training_job(second["TrainingJobName"])["WarmPoolStatus"]["Status"] != "Terminated":
    time.sleep(0.2)
