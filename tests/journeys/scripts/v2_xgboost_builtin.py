"""SDK v2: built-in XGBoost through the generic Estimator."""

import numpy as np
import sagemaker
from sagemaker.deserializers import CSVDeserializer
from sagemaker.serializers import CSVSerializer
from sklearn.datasets import load_breast_cancer

session = sagemaker.Session()
features, labels = load_breast_cancer(return_X_y=True)
rows = np.column_stack([labels, features])
bucket, inputs = session.default_bucket(), {}
for channel, part in (("train", rows[:400]), ("validation", rows[400:])):
    text = "\n".join(",".join(map(str, row)) for row in part)
    uri = session.upload_string_as_file_body(text, bucket, f"v2-builtin/{channel}/data.csv")
    inputs[channel] = sagemaker.TrainingInput(uri, content_type="text/csv")
estimator = sagemaker.estimator.Estimator(
    sagemaker.image_uris.retrieve("xgboost", session.boto_region_name, "1.7-1"),
    sagemaker.get_execution_role(),
    instance_count=1,
    instance_type="ml.m5.large",
    hyperparameters={"objective": "binary:logistic", "num_round": 40, "eval_metric": "auc"},
)
estimator.fit(inputs, logs=False)
described = session.describe_training_job(estimator.latest_training_job.name)
metrics = {metric["MetricName"]: metric["Value"] for metric in described["FinalMetricDataList"]}
assert metrics["validation:auc"] > 0.97, metrics
predictor = estimator.deploy(1, "ml.m5.large", serializer=CSVSerializer(), deserializer=CSVDeserializer())
answer = np.array(predictor.predict(features[400:]), float).ravel()
assert ((answer > 0.5) == labels[400:]).mean() > 0.9, answer
predictor.delete_model()
predictor.delete_endpoint()
