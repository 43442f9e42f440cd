"""SDK v3: PyTorch on two instances, started by the SDK's own drivers: torchrun, and MPI, which needs sshd and ssh."""

from pathlib import Path

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.training.configs import Compute, SourceCode
from sagemaker.train import ModelTrainer
from sagemaker.train.distributed import MPI, Torchrun

CODE = Path(__file__).parent / "code"
session = Session()
image = image_uris.retrieve(
    "pytorch", session.boto_region_name, "2.3", py_version="py311", instance_type="ml.m5.large", image_scope="training"
)


def started(name, driver, **more):
    trainer = ModelTrainer(
        training_image=image,
        source_code=SourceCode(source_dir=str(CODE / name), entry_script="train.py"),
        compute=Compute(instance_type="ml.m5.large", instance_count=2),
        distributed=driver,
        base_job_name=f"v3-{name}",
        **more,
    )
    trainer.train(wait=False)
    return trainer._latest_training_job


def said(job):
    job.wait(logs=False)
    logs = session.boto_session.client("logs")
    where = {"logGroupName": "/aws/sagemaker/TrainingJobs", "logStreamNamePrefix": f"{job.training_job_name}/"}
    return "\n".join(event["message"] for event in logs.filter_log_events(**where)["events"])


# This driver starts as many processes in all as are wanted on each node, and fills the first node first.
options = ["--map-by", "ppr:1:node"]
driver = MPI(process_count_per_node=2, mpi_additional_options=options)
mpi = started("mpi", driver, hyperparameters={"scale": 10})
torchrun = started("torch", Torchrun(process_count_per_node=1))
text = said(torchrun)
assert "rank 0 of 2 on algo-1" in text and "rank 1 of 2 on algo-2" in text, text
text = said(mpi)
assert "rank 0 of 2 on algo-1: 30" in text and "rank 1 of 2 on algo-2: 30" in text, text
