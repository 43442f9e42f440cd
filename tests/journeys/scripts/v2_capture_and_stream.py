"""SDK v2: a predictor whose calls are captured, and that streams."""

import json
import tempfile
import time
from pathlib import Path

import sagemaker
from sagemaker.deserializers import BytesDeserializer
from sagemaker.iterators import ByteIterator, LineIterator
from sagemaker.model_monitor import DataCaptureConfig
from sagemaker.predictor import Predictor
from sagemaker.s3 import S3Downloader
from sagemaker.serializers import CSVSerializer
from sagemaker.sklearn import SKLearnModel

SCRIPT = """
def model_fn(model_dir):
    return 10

def predict_fn(data, model):
    return (data * model).ravel().tolist()

def output_fn(prediction, accept):
    return (f"{each}\\n" for each in prediction), "text/csv"
"""

session = sagemaker.Session()
where = f"s3://{session.default_bucket()}/v2-captured"
with tempfile.TemporaryDirectory() as folder:
    Path(folder, "inference.py").write_text(SCRIPT)
    model = SKLearnModel(
        model_data=None,
        role=sagemaker.get_execution_role(session),
        entry_point="inference.py",
        source_dir=folder,
        framework_version="1.2-1",
    )
    captured = DataCaptureConfig(enable_capture=True, sampling_percentage=100, destination_s3_uri=where)
    name = "v2-captured"
    model.deploy(1, "ml.m5.large", endpoint_name=name, data_capture_config=captured, wait=False)

# The SDK looks every 30 s.
while session.sagemaker_client.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Creating":
    time.sleep(0.2)
predictor = Predictor(name, session, CSVSerializer(), BytesDeserializer())
assert predictor.predict([1, 2, 3]) == b"10.0\n20.0\n30.0\n"
parts = list(predictor.predict_stream([1, 2, 3], iterator=ByteIterator))
assert parts == [b"10.0\n", b"20.0\n", b"30.0\n"], parts
assert list(predictor.predict_stream([4, 5], iterator=LineIterator)) == [b"40.0", b"50.0"]


def captured():
    files = S3Downloader.list(where, session)
    return [json.loads(line) for file in files for line in S3Downloader.read_file(file, session).splitlines()]


end = time.monotonic() + 120
while len(lines := captured()) < 3:
    assert time.monotonic() < end
    time.sleep(0.2)
asked = [line["captureData"]["endpointInput"] for line in lines]
# The SDK's own content types, of which text/csv is one.
assert {each["data"].strip() for each in asked} == {"1,2,3", "4,5"} and {each["encoding"] for each in asked} == {"CSV"}

predictor.delete_endpoint()
