"""SDK v2: PyTorch on two instances, under torchrun and, two ranks on each, under mpirun; and its `pytorchddp`."""

import tarfile
import tempfile
from pathlib import Path

import sagemaker
from sagemaker.pytorch import PyTorch
from sagemaker.s3 import S3Downloader

CODE = Path(__file__).parent / "code"
session = sagemaker.Session()
region, kind = session.boto_region_name, "ml.m5.large"
version = {"version": "2.3", "py_version": "py311", "image_scope": "training"}
common = {
    "entry_point": "train.py",
    # By name: the SDK knows torchrun as something for GPUs alone otherwise.
    "image_uri": sagemaker.image_uris.retrieve("pytorch", region, instance_type=kind, **version),
    "role": sagemaker.get_execution_role(session),
    "sagemaker_session": session,
    "instance_type": kind,
}
torchrun = PyTorch(
    instance_count=2,
    source_dir=str(CODE / "torch"),
    distribution={"torch_distributed": {"enabled": True}},
    metric_definitions=[{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
    **common,
)
mpi = PyTorch(
    instance_count=2,
    source_dir=str(CODE / "mpi"),
    hyperparameters={"scale": 10},
    distribution={"mpi": {"enabled": True, "processes_per_host": 2, "custom_mpi_options": "--bind-to none"}},
    **common,
)
# The SDK makes smdistributed.dataparallel of it.
ddp = PyTorch(
    source_dir=str(CODE / "torch"), instance_count=1, distribution={"pytorchddp": {"enabled": True}}, **common
)
for each in (torchrun, mpi, ddp):
    each.fit(wait=False)


def said(estimator):
    estimator.latest_training_job.wait(logs="None")
    logs = session.boto_session.client("logs")
    where = {"logGroupName": "/aws/sagemaker/TrainingJobs"}
    name = estimator.latest_training_job.name
    events = logs.filter_log_events(**where, logStreamNamePrefix=f"{name}/")["events"]
    return "\n".join(event["message"] for event in events), {event["logStreamName"] for event in events}


text, _ = said(mpi)
for rank, host in enumerate(["algo-1", "algo-1", "algo-2", "algo-2"]):
    assert f"rank {rank} of 4 on {host}: 100" in text, text
with tempfile.TemporaryDirectory() as folder:
    S3Downloader.download(mpi.model_data, folder, sagemaker_session=session)
    with tarfile.open(Path(folder) / "model.tar.gz") as tar:
        assert tar.getnames() == ["total.txt"], tar.getnames()

text, streams = said(torchrun)
assert "rank 0 of 2 on algo-1" in text and "rank 1 of 2 on algo-2" in text, text
assert "ranks=2" in text and len(streams) == 2, text
metrics = session.describe_training_job(torchrun.latest_training_job.name)["FinalMetricDataList"]
assert metrics[0]["MetricName"] == "loss" and metrics[0]["Value"] < 0.01, metrics
assert "ranks=1" in said(ddp)[0]
