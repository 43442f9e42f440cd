"""SDK v2: one model behind an asynchronous and a serverless endpoint, by the SDK's own predictors."""

import tempfile
import time
from pathlib import Path

import sagemaker
from sagemaker.async_inference import AsyncInferenceConfig, WaiterConfig
from sagemaker.deserializers import JSONDeserializer
from sagemaker.exceptions import AsyncInferenceModelError
from sagemaker.predictor_async import AsyncPredictor
from sagemaker.serializers import JSONSerializer
from sagemaker.serverless import ServerlessInferenceConfig
from sagemaker.sklearn import SKLearnModel, SKLearnPredictor

SCRIPT = """
import json

def model_fn(model_dir):
    return 10

def predict_fn(data, model):
    if data.min() < 0:
        raise ValueError("no negative numbers")
    return data * model

def output_fn(prediction, accept):
    return json.dumps(prediction.tolist())
"""
# The SDK waits for an answer and for a failure, and ends only when both waits have.
PATIENT = WaiterConfig(max_attempts=15, delay=1)

session = sagemaker.Session()
bucket = session.default_bucket()
formats = {"serializer": JSONSerializer(), "deserializer": JSONDeserializer()}


def model(folder):
    Path(folder, "inference.py").write_text(SCRIPT)
    return SKLearnModel(
        model_data=None,
        role=sagemaker.get_execution_role(session),
        entry_point="inference.py",
        source_dir=folder,
        framework_version="1.2-1",
    )


def in_service(name):
    while session.sagemaker_client.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Creating":
        time.sleep(0.2)
    return name


with tempfile.TemporaryDirectory() as folder:
    asked = AsyncInferenceConfig(output_path=f"s3://{bucket}/v2-async/out", max_concurrent_invocations_per_instance=2)
    model(folder).deploy(1, "ml.m5.large", endpoint_name="v2-async", async_inference_config=asked, wait=False)
    limits = ServerlessInferenceConfig(memory_size_in_mb=1024, max_concurrency=2)
    model(folder).deploy(endpoint_name="v2-serverless", serverless_inference_config=limits, wait=False)

predictor = AsyncPredictor(SKLearnPredictor(in_service("v2-async"), session, **formats), name="v2-async")
assert predictor.predict([[1, 2]], waiter_config=PATIENT) == [[10, 20]]
later = predictor.predict_async([[3, 4]])
assert later.output_path.startswith(f"s3://{bucket}/v2-async/out/"), later.output_path
assert later.get_result(waiter_config=PATIENT) == [[30, 40]]
try:
    print(predictor.predict([[-1, 2]], waiter_config=PATIENT))
except (AsyncInferenceModelError, ValueError) as error:
    # The SDK would read the failure, a text, as the answer's type.
    print("as it should be:", error)
else:
    raise AssertionError("a model's error is no answer")

serverless = SKLearnPredictor(in_service("v2-serverless"), session, **formats)
assert serverless.predict([[5, 6]]) == [[50, 60]]
described = session.sagemaker_client.describe_endpoint(EndpointName="v2-serverless")
assert described["ProductionVariants"][0]["CurrentServerlessConfig"] == {"MemorySizeInMB": 1024, "MaxConcurrency": 2}
serverless.delete_endpoint()
predictor.delete_endpoint()
