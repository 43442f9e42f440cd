"""SDK v2: XGBoost in script mode; deploy and predict with CSV."""

from pathlib import Path

import numpy as np
import sagemaker
from sagemaker.deserializers import CSVDeserializer
from sagemaker.serializers import CSVSerializer
from sagemaker.xgboost import XGBoost
from sklearn.datasets import load_diabetes

session = sagemaker.Session()
features, target = load_diabetes(return_X_y=True)
rows = "\n".join(",".join(map(str, row)) for row in np.column_stack([target, features]))
uri = session.upload_string_as_file_body(rows, session.default_bucket(), "v2-xgboost/train/diabetes.csv")
estimator = XGBoost(
    entry_point="train.py",
    source_dir=str(Path(__file__).parent / "code" / "xgboost"),
    framework_version="1.7-1",
    role="SageMakerRole",
    instance_count=1,
    instance_type="ml.m5.large",
    hyperparameters={"num_round": 30, "max_depth": 3},
)
estimator.fit({"train": sagemaker.TrainingInput(uri.rpartition("/")[0], content_type="text/csv")}, logs=False)
predictor = estimator.deploy(1, "ml.m5.large", serializer=CSVSerializer(), deserializer=CSVDeserializer())
answer = np.array(predictor.predict(features), float).ravel()
error = np.sqrt(np.mean((answer - target) ** 2))
assert error < 50, error
predictor.delete_model()
predictor.delete_endpoint()
