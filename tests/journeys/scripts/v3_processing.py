"""SDK v3: ScriptProcessor and FrameworkProcessor; logs, wait, describe, stop."""

import contextlib
import io
import tempfile
import time
from pathlib import Path

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.processing import FrameworkProcessor, ScriptProcessor
from sagemaker.core.resources import ProcessingJob
from sagemaker.core.s3 import S3Downloader
from sagemaker.core.shapes import ProcessingInput, ProcessingOutput, ProcessingS3Input, ProcessingS3Output
from sklearn.datasets import load_iris

CODE = Path(__file__).parent / "code" / "processing"
session = Session()
bucket = session.default_bucket()
frame = load_iris(as_frame=True).frame
uri = session.upload_string_as_file_body(frame.to_csv(index=False), bucket, "v3-processing/data/iris.csv")
image = image_uris.retrieve("sklearn", session.boto_region_name, "1.2-1")
usual = {
    "role": get_execution_role(session),
    "image_uri": image,
    "instance_type": "ml.m5.large",
    "instance_count": 1,
    "sagemaker_session": session,
}
ROOT = "/opt/ml/processing"


def source():
    place = ProcessingS3Input(
        s3_uri=uri, local_path=f"{ROOT}/input/data", s3_data_type="S3Prefix", s3_input_mode="File"
    )
    return [ProcessingInput(input_name="data", s3_input=place)]


def outputs(base):
    return [
        ProcessingOutput(
            output_name=name,
            s3_output=ProcessingS3Output(
                s3_uri=f"s3://{bucket}/{base}/{name}", local_path=f"{ROOT}/output/{name}", s3_upload_mode="EndOfJob"
            ),
        )
        for name in ("train", "test")
    ]


def rows(base, name):
    text = S3Downloader.read_file(f"s3://{bucket}/{base}/{name}/{name}.csv", sagemaker_session=session)
    return len(text.splitlines()) - 1


framework = FrameworkProcessor(**usual, command=["python3"])
framework.run(
    code="split.py",
    source_dir=str(CODE),
    inputs=source(),
    outputs=outputs("v3-framework"),
    arguments=["--share", "0.3"],
    wait=False,
)

with tempfile.TemporaryDirectory() as folder:
    patient = Path(folder, "patient.py")
    patient.write_text("import time\ntime.sleep(600)\n")
    sleeper = ScriptProcessor(**usual, command=["python3"])
    sleeper.run(str(patient), wait=False)
    while not hasattr(sleeper.latest_job.refresh().processing_start_time, "year"):
        time.sleep(0.2)
    sleeper.latest_job.stop()

    alone = Path(folder, "split_alone.py")
    alone.write_text(
        (CODE / "split.py").read_text().replace("from sizes import test_rows", "test_rows = lambda a, b: int(a * b)")
    )
    script = ScriptProcessor(**usual, command=["python3"])
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        script.run(str(alone), inputs=source(), outputs=outputs("v3-script"), arguments=["--share", "0.2"], logs=True)
print(printed.getvalue())
assert "split 150 rows" in printed.getvalue()
assert (rows("v3-script", "train"), rows("v3-script", "test")) == (120, 30)

job = ProcessingJob.get(framework.latest_job.processing_job_name)
job.wait()
assert job.processing_job_status == "Completed", job
assert rows("v3-framework", "test") == 45
stopped = ProcessingJob.get(sleeper.latest_job.processing_job_name)
assert stopped.processing_job_status == "Stopped", stopped
