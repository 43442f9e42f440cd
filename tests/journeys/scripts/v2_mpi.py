"""SDK v2: two ranks on each of two instances under mpirun."""

import tarfile
import tempfile
from pathlib import Path

import sagemaker
from sagemaker.pytorch import PyTorch
from sagemaker.s3 import S3Downloader

session = sagemaker.Session()
estimator = PyTorch(
    entry_point="train.py",
    source_dir=str(Path(__file__).parent / "code" / "mpi"),
    framework_version="2.3",
    py_version="py311",
    role=sagemaker.get_execution_role(),
    instance_count=2,
    instance_type="ml.m5.large",
    hyperparameters={"scale": 10},
    distribution={"mpi": {"enabled": True, "processes_per_host": 2, "custom_mpi_options": "--bind-to none"}},
)
estimator.fit(logs=False)
name = estimator.latest_training_job.name
logs = session.boto_session.client("logs")
events = logs.filter_log_events(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{name}/")["events"]
text = "\n".join(event["message"] for event in events)
for rank, host in enumerate(["algo-1", "algo-1", "algo-2", "algo-2"]):
    assert f"rank {rank} of 4 on {host}: 100" in text, text
with tempfile.TemporaryDirectory() as folder:
    S3Downloader.download(estimator.model_data, folder)
    with tarfile.open(Path(folder) / "model.tar.gz") as tar:
        assert tar.getnames() == ["total.txt"], tar.getnames()
