"""SDK v3: ModelTrainer with a scikit-learn script; logs streamed; ModelBuilder deploys it."""

import json
import tempfile
from pathlib import Path

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.resources import Endpoint, EndpointConfig, TrainingJob
from sagemaker.core.training.configs import Compute, InputData, SourceCode
from sagemaker.serve import ModelBuilder
from sagemaker.train import ModelTrainer
from sklearn.datasets import load_iris

session = Session()
iris = load_iris(as_frame=True)
image = image_uris.retrieve("sklearn", session.boto_region_name, "1.2-1")
source = SourceCode(source_dir=str(Path(__file__).parent / "code" / "sklearn"), entry_script="train.py")
with tempfile.TemporaryDirectory() as folder:
    iris.frame.to_csv(Path(folder, "iris.csv"), index=False)
    trainer = ModelTrainer(
        training_image=image,
        source_code=source,
        compute=Compute(instance_type="ml.m5.large", instance_count=1),
        hyperparameters={"trees": 20, "label": "target"},
        base_job_name="v3-sklearn",
    )
    trainer.train([InputData(channel_name="train", data_source=folder)])
job = TrainingJob.get(trainer._latest_training_job.training_job_name)
assert job.training_job_status == "Completed", job

builder = ModelBuilder(
    image_uri=image,
    s3_model_data_url=job.model_artifacts.s3_model_artifacts,
    source_code=source,
    instance_type="ml.m5.large",
    sagemaker_session=session,
)
model = builder.build()
endpoint = builder.deploy(endpoint_name=job.training_job_name)
body = json.dumps(iris.data.values.tolist())
answer = json.loads(endpoint.invoke(body=body, content_type="application/json", accept="application/json").body.read())
assert sum(a == b for a, b in zip(answer, iris.target, strict=True)) > 147, answer
config = Endpoint.get(job.training_job_name).endpoint_config_name
endpoint.delete()
EndpointConfig.get(config).delete()
model.delete()
