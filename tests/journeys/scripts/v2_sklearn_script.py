"""SDK v2: scikit-learn in script mode; logs streamed, attach, deploy, predict, delete."""

import contextlib
import io
from pathlib import Path

import numpy as np
import sagemaker
from botocore.exceptions import ClientError
from sagemaker.deserializers import JSONDeserializer
from sagemaker.serializers import NumpySerializer
from sagemaker.sklearn import SKLearn
from sklearn.datasets import load_iris

session = sagemaker.Session()
iris = load_iris(as_frame=True)
uri = session.upload_string_as_file_body(
    iris.frame.to_csv(index=False), session.default_bucket(), "v2-sklearn/train/iris.csv"
)
estimator = SKLearn(
    entry_point="train.py",
    source_dir=str(Path(__file__).parent / "code" / "sklearn"),
    framework_version="1.2-1",
    py_version="py3",
    instance_type="ml.m5.large",
    role=sagemaker.get_execution_role(session),
    hyperparameters={"trees": 20, "label": "target"},
    metric_definitions=[{"Name": "train:accuracy", "Regex": "train:accuracy=([0-9.]+);"}],
)
printed = io.StringIO()
with contextlib.redirect_stdout(printed):
    estimator.fit({"train": uri.rpartition("/")[0]}, logs=True)
print(printed.getvalue())
assert "train:accuracy=1.0000;" in printed.getvalue()
assert "Training job completed" in printed.getvalue() or "Completed" in printed.getvalue()

name = estimator.latest_training_job.name
described = session.describe_training_job(name)
metrics = {metric["MetricName"]: metric["Value"] for metric in described["FinalMetricDataList"]}
assert metrics == {"train:accuracy": 1.0}, metrics

attached = SKLearn.attach(name)
assert attached.hyperparameters()["trees"] == "20", attached.hyperparameters()
predictor = attached.deploy(
    1, "ml.m5.large", serializer=NumpySerializer(), deserializer=JSONDeserializer(), endpoint_name=name
)
answer = np.array(predictor.predict(iris.data.values))
assert (answer == iris.target).mean() > 0.98, answer

predictor.delete_model()
predictor.delete_endpoint()
try:
    while True:
        assert session.sagemaker_client.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Deleting"
except ClientError as gone:
    assert "Could not find endpoint" in str(gone), gone
