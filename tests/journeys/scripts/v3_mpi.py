"""SDK v3: a rank on each of two instances, started by the SDK's own MPI driver, which needs sshd, ssh and paramiko."""

from pathlib import Path

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.training.configs import Compute, SourceCode
from sagemaker.train import ModelTrainer
from sagemaker.train.distributed import MPI

session = Session()
image = image_uris.retrieve(
    "pytorch", session.boto_region_name, "2.3", py_version="py311", instance_type="ml.m5.large", image_scope="training"
)
trainer = ModelTrainer(
    training_image=image,
    source_code=SourceCode(source_dir=str(Path(__file__).parent / "code" / "mpi"), entry_script="train.py"),
    compute=Compute(instance_type="ml.m5.large", instance_count=2),
    hyperparameters={"scale": 10},
    # The driver starts as many processes in all as are wanted on each node, and fills the first node first.
    distributed=MPI(process_count_per_node=2, mpi_additional_options=["--map-by", "ppr:1:node"]),
    base_job_name="v3-mpi",
)
trainer.train()
name = trainer._latest_training_job.training_job_name
logs = session.boto_session.client("logs")
events = logs.filter_log_events(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{name}/")["events"]
text = "\n".join(event["message"] for event in events)
assert "rank 0 of 2 on algo-1: 30" in text and "rank 1 of 2 on algo-2: 30" in text, text
