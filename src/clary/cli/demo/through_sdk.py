"""Breast cancer diagnosis with SageMaker's built-in XGBoost, through the SageMaker SDK v3.

Ordinary AWS code: nothing in it knows of Clary. Run it with `clary run -- python through_sdk.py`.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import ContainerDefinition, ProductionVariant
from sagemaker.core.training.configs import Compute, InputData
from sagemaker.train import ModelTrainer
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split

keep = "--keep" in sys.argv
name = f"demo-sdk-{time.strftime('%H%M%S')}"
session = Session()
role = get_execution_role(session)
image = image_uris.retrieve("xgboost", session.boto_region_name, "1.7-1")

# SageMaker's XGBoost reads CSV without a header, the label first.
features, labels = load_breast_cancer(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(features, labels, test_size=0.3, random_state=1)
with tempfile.TemporaryDirectory() as folder:
    np.savetxt(Path(folder, "train.csv"), np.column_stack([y_train, x_train]), delimiter=",")
    train_uri = session.upload_data(folder, key_prefix=f"{name}/train")

started = time.time()
trainer = ModelTrainer(
    training_image=image,
    role=role,
    sagemaker_session=session,
    base_job_name=name,
    compute=Compute(instance_type="ml.m5.large", instance_count=1),
    hyperparameters={"objective": "binary:logistic", "num_round": 60, "max_depth": 4, "eval_metric": "auc"},
    input_data_config=[InputData(channel_name="train", data_source=train_uri, content_type="text/csv")],
)
trainer.train()
trained = time.time()
artifacts = trainer._latest_training_job.model_artifacts

Model.create(
    model_name=name,
    execution_role_arn=role,
    primary_container=ContainerDefinition(image=image, model_data_url=artifacts.s3_model_artifacts),
)
variant = ProductionVariant(variant_name="all", model_name=name, instance_type="ml.m5.large", initial_instance_count=1)
EndpointConfig.create(endpoint_config_name=name, production_variants=[variant])
endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
endpoint.wait_for_status("InService", poll=1)
deployed = time.time()

rows = "\n".join(",".join(map(str, row)) for row in x_test)
answer = endpoint.invoke(body=rows, content_type="text/csv", accept="text/csv")
scores = np.array(answer.body.read().decode().replace("\n", ",").strip(",").split(","), float)

if not keep:
    endpoint.delete()
    EndpointConfig.get(endpoint_config_name=name).delete()
    Model.get(model_name=name).delete()

print(
    json.dumps(
        {
            "client": "SageMaker SDK v3",
            "endpoint": name,
            "predictions": len(scores),
            "accuracy": round(accuracy_score(y_test, scores > 0.5), 4),
            "auc": round(roc_auc_score(y_test, scores), 4),
            "train_seconds": round(trained - started, 1),
            "deploy_seconds": round(deployed - trained, 1),
        }
    )
)
