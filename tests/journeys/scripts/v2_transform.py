"""SDK v2: a Transformer of a framework's model: joined with its input on two instances, logs, attach, stop, failure."""

import contextlib
import io
import os
import tarfile
import tempfile
import time
from pathlib import Path

import sagemaker
from sagemaker.sklearn import SKLearnModel
from sagemaker.transformer import Transformer

CODE = Path(__file__).parent / "code" / "transform"
os.chdir(tempfile.mkdtemp())
session = sagemaker.Session()
bucket, role = session.default_bucket(), sagemaker.get_execution_role(session)
with tarfile.open("model.tar.gz", "w:gz"):
    pass
data = session.upload_data("model.tar.gz", bucket, "v2-transform/model")
for name, text in {"a.csv": "x,1,2\ny,3,4\n", "sub/b.csv": "z,5,6\n"}.items():
    session.upload_string_as_file_body(text, bucket, f"v2-transform/in/{name}")
source = f"s3://{bucket}/v2-transform/in/"
wide = session.upload_string_as_file_body("1,2,3,4\n", bucket, "v2-transform/wide.csv")
words = session.upload_string_as_file_body("1,2\n", bucket, "v2-transform/words.bin")
model = SKLearnModel(data, role, str(CODE / "inference.py"), framework_version="1.2-1", sagemaker_session=session)
usual = {"instance_type": "ml.m5.large", "accept": "text/csv", "assemble_with": "Line"}

patient = model.transformer(instance_count=1, **usual)
patient.transform(wide, content_type="text/csv", split_type="Line", wait=False)

joined = Transformer(model.name, 2, output_path=f"s3://{bucket}/v2-transform/out", sagemaker_session=session, **usual)
printed = io.StringIO()
with contextlib.redirect_stdout(printed):
    joined.transform(
        source,
        content_type="text/csv",
        split_type="Line",
        input_filter="$[1:]",
        join_source="Input",
        output_filter="$[0,-1]",
        logs=True,
    )
print(printed.getvalue())
assert "the model is loaded" in printed.getvalue()
found = {key: session.read_s3_file(bucket, key) for key in session.list_s3_files(bucket, "v2-transform/out")}
assert found == {"v2-transform/out/a.csv.out": "x,3.0\ny,7.0\n", "v2-transform/out/sub/b.csv.out": "z,11.0\n"}, found
again = Transformer.attach(joined.latest_transform_job.name, session)
assert (again.output_path, again.instance_count) == (joined.output_path, 2)

broken = model.transformer(instance_count=1, **usual)
try:
    broken.transform(words, content_type="application/x-strange", logs=False)
except sagemaker.exceptions.UnexpectedStatusException as error:
    assert "See job logs for more information" in str(error), error
else:
    raise AssertionError("the failure was not told")

while "TransformStartTime" not in session.describe_transform_job(patient.latest_transform_job.name):
    time.sleep(0.2)
patient.stop_transform_job()
described = session.describe_transform_job(patient.latest_transform_job.name)
assert described["TransformJobStatus"] == "Stopped", described
