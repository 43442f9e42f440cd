"""SDK v3: ModelTrainer with an XGBoost script and several jobs listed through the resource classes."""

import tempfile
from pathlib import Path

import numpy as np
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.resources import TrainingJob
from sagemaker.core.training.configs import Compute, InputData, SourceCode
from sagemaker.train import ModelTrainer
from sklearn.datasets import load_diabetes

session = Session()
features, target = load_diabetes(return_X_y=True)
with tempfile.TemporaryDirectory() as folder:
    np.savetxt(Path(folder, "diabetes.csv"), np.column_stack([target, features]), delimiter=",")
    trainer = ModelTrainer(
        training_image=image_uris.retrieve("xgboost", session.boto_region_name, "1.7-1"),
        source_code=SourceCode(source_dir=str(Path(__file__).parent / "code" / "xgboost"), entry_script="train.py"),
        compute=Compute(instance_type="ml.m5.large", instance_count=1),
        hyperparameters={"num_round": 10, "max_depth": 3},
        base_job_name="v3-xgboost",
    )
    trainer.train([InputData(channel_name="train", data_source=folder)])
name = trainer._latest_training_job.training_job_name
found = [job.training_job_name for job in TrainingJob.get_all(name_contains="v3-xgboost", status_equals="Completed")]
assert name in found, found
artifact = TrainingJob.get(name).model_artifacts.s3_model_artifacts
bucket, _, key = artifact.removeprefix("s3://").partition("/")
assert session.boto_session.client("s3").head_object(Bucket=bucket, Key=key)["ContentLength"] > 1000
