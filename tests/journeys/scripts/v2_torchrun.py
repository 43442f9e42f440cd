"""SDK v2: PyTorch on two instances under torchrun."""

from pathlib import Path

import sagemaker
from sagemaker.pytorch import PyTorch

session = sagemaker.Session()
image = sagemaker.image_uris.retrieve(
    "pytorch", session.boto_region_name, "2.3", py_version="py311", instance_type="ml.m5.large", image_scope="training"
)
estimator = PyTorch(
    entry_point="train.py",
    source_dir=str(Path(__file__).parent / "code" / "torch"),
    image_uri=image,
    role=sagemaker.get_execution_role(),
    instance_count=2,
    instance_type="ml.m5.large",
    distribution={"torch_distributed": {"enabled": True}},
    metric_definitions=[{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
)
estimator.fit(logs=False)
name = estimator.latest_training_job.name
logs = session.boto_session.client("logs")
events = logs.filter_log_events(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{name}/")["events"]
text = "\n".join(event["message"] for event in events)
assert "rank 0 of 2 on algo-1" in text and "rank 1 of 2 on algo-2" in text, text
assert "ranks=2" in text, text
assert len({event["logStreamName"] for event in events}) == 2
metrics = session.describe_training_job(name)["FinalMetricDataList"]
assert metrics[0]["MetricName"] == "loss" and metrics[0]["Value"] < 0.01, metrics
