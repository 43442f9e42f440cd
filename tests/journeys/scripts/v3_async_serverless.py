"""SDK v3: an asynchronous and a serverless endpoint by its resources."""

import io
import json
import tarfile
import time

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import (
    AsyncInferenceConfig,
    AsyncInferenceOutputConfig,
    ContainerDefinition,
    ProductionVariant,
)

SCRIPT = b"""
def model_fn(model_dir):
    return None

def transform_fn(model, body, content_type, accept):
    return body.upper(), content_type
"""

session = Session()
bucket = session.default_bucket()
s3 = session.boto_session.client("s3")


def archive():
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        entry = tarfile.TarInfo("code/inference.py")
        entry.size = len(SCRIPT)
        tar.addfile(entry, io.BytesIO(SCRIPT))
    s3.put_object(Bucket=bucket, Key="v3-async/model.tar.gz", Body=made.getvalue())
    return f"s3://{bucket}/v3-async/model.tar.gz"


image = image_uris.retrieve("sklearn", session.boto_region_name, "1.2-1")
model = Model.create(
    model_name="v3-async",
    primary_container=ContainerDefinition(image=image, model_data_url=archive()),
    execution_role_arn=get_execution_role(session),
)
output = AsyncInferenceOutputConfig(s3_output_path=f"s3://{bucket}/v3-async/out")
instance = ProductionVariant(
    variant_name="v", model_name="v3-async", instance_type="ml.m5.large", initial_instance_count=1
)
queued_config = EndpointConfig.create(
    endpoint_config_name="v3-async",
    production_variants=[instance],
    async_inference_config=AsyncInferenceConfig(output_config=output),
)
queued = Endpoint.create(endpoint_name="v3-async", endpoint_config_name="v3-async")
# Not by the SDK's shapes: they spell MemorySizeInMB in a way that its own client refuses.
limits = {"MemorySizeInMB": 1024, "MaxConcurrency": 2}
session.sagemaker_client.create_endpoint_config(
    EndpointConfigName="v3-serverless",
    ProductionVariants=[{"VariantName": "v", "ModelName": "v3-async", "ServerlessConfig": limits}],
)
free = Endpoint.create(endpoint_name="v3-serverless", endpoint_config_name="v3-serverless")

queued.wait_for_status("InService", poll=1)
s3.put_object(Bucket=bucket, Key="v3-async/in.csv", Body=b"hello")
answer = queued.invoke_async(input_location=f"s3://{bucket}/v3-async/in.csv", content_type="text/csv")
print(answer)
location = answer.output_location
key = location.removeprefix(f"s3://{bucket}/")
while not s3.list_objects_v2(Bucket=bucket, Prefix=key).get("KeyCount"):
    time.sleep(0.1)
assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"HELLO"
assert queued.refresh().async_inference_config.output_config.s3_output_path == f"s3://{bucket}/v3-async/out"

free.wait_for_status("InService", poll=1)
assert free.invoke(body=json.dumps("you"), content_type="application/json").body.read() == b'"YOU"'
for made in (queued, queued_config, free, model):
    made.delete()
