"""SDK v3: a Transformer, and the TransformJob it leaves: filters and joins, logs, describe, stop."""

import contextlib
import io
import tarfile
import tempfile
import time
from pathlib import Path

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Model, TransformJob
from sagemaker.core.s3 import S3Downloader
from sagemaker.core.shapes import ContainerDefinition
from sagemaker.core.transformer import Transformer

CODE = Path(__file__).parent / "code" / "transform"
session = Session()
bucket = session.default_bucket()
with tempfile.TemporaryDirectory() as folder:
    with tarfile.open(Path(folder, "model.tar.gz"), "w:gz") as tar:
        tar.add(CODE / "inference.py", "code/inference.py")
    data = session.upload_data(str(Path(folder, "model.tar.gz")), bucket, "v3-transform/model")
source = session.upload_string_as_file_body("x,1,2\ny,3,4\n", bucket, "v3-transform/in/a.csv")
wide = session.upload_string_as_file_body("1,2,3,4\n", bucket, "v3-transform/wide.csv")
image = image_uris.retrieve("sklearn", session.boto_region_name, "1.2-1")
container = ContainerDefinition(image=image, model_data_url=data)
model = Model.create(
    model_name="v3-transform", primary_container=container, execution_role_arn=get_execution_role(session)
)
usual = {"instance_count": 1, "instance_type": "ml.m5.large", "accept": "text/csv", "assemble_with": "Line"}

patient = Transformer("v3-transform", sagemaker_session=session, **usual)
patient.transform(wide, content_type="text/csv", split_type="Line", wait=False)

joined = Transformer(
    "v3-transform",
    strategy="SingleRecord",
    output_path=f"s3://{bucket}/v3-transform/out",
    sagemaker_session=session,
    **usual,
)
printed = io.StringIO()
with contextlib.redirect_stdout(printed):
    joined.transform(
        source, content_type="text/csv", split_type="Line", input_filter="$[1:]", join_source="Input", logs=True
    )
print(printed.getvalue())
text = S3Downloader.read_file(f"s3://{bucket}/v3-transform/out/a.csv.out", sagemaker_session=session)
assert text == "x,1,2,3.0\ny,3,4,7.0\n", text
job = TransformJob.get(joined.latest_transform_job.transform_job_name)
assert (job.transform_job_status, job.data_processing.join_source) == ("Completed", "Input"), job

sleeper = TransformJob.get(patient.latest_transform_job.transform_job_name)
while not hasattr(sleeper.refresh().transform_start_time, "year"):
    time.sleep(0.2)
sleeper.stop()
while sleeper.refresh().transform_job_status in ("InProgress", "Stopping"):
    time.sleep(0.2)
assert sleeper.transform_job_status == "Stopped", sleeper
model.delete()
