"""SDK v2: ScriptProcessor, SKLearnProcessor and processors of frameworks; logs, wait, describe, stop."""

import contextlib
import io
import os
import tempfile
import time
from pathlib import Path

import sagemaker
from sagemaker.image_uris import retrieve
from sagemaker.network import NetworkConfig
from sagemaker.processing import FrameworkProcessor, ProcessingInput, ProcessingOutput, ScriptProcessor
from sagemaker.pytorch.processing import PyTorchProcessor
from sagemaker.sklearn import SKLearn
from sagemaker.sklearn.processing import SKLearnProcessor
from sagemaker.xgboost.processing import XGBoostProcessor
from sklearn.datasets import load_iris

CODE = Path(__file__).parent / "code" / "processing"
os.chdir(tempfile.mkdtemp())
session = sagemaker.Session()
bucket, role = session.default_bucket(), sagemaker.get_execution_role(session)
frame = load_iris(as_frame=True).frame
uri = session.upload_string_as_file_body(frame.to_csv(index=False), bucket, "v2-processing/data/iris.csv")
usual = {"role": role, "instance_type": "ml.m5.large", "instance_count": 1}
source = [ProcessingInput(source=uri, destination="/opt/ml/processing/input/data")]


def outputs():
    return [
        ProcessingOutput(source=f"/opt/ml/processing/output/{name}", output_name=name) for name in ("train", "test")
    ]


def rows(job, name):
    address = next(o.destination for o in job.outputs if o.output_name == name)
    key = f"{address.removeprefix(f's3://{bucket}/')}/{name}.csv"
    return len(session.read_s3_file(bucket, key).splitlines()) - 1


one_file = (CODE / "split.py").read_text().replace("from sizes import test_rows", "test_rows = lambda a, b: int(a * b)")
Path("split_alone.py").write_text(one_file)

# Started together, looked at one by one: each wait of the SDK's takes seconds.
framework = {**usual, "py_version": "py3"}
jobs = {}
learn = FrameworkProcessor(SKLearn, "1.2-1", **framework)
boost = XGBoostProcessor("1.7-1", **framework)
torch = PyTorchProcessor("2.3", **{**usual, "py_version": "py311"})
for name, processor in {"sklearn": learn, "xgboost": boost, "torch": torch}.items():
    processor.run(
        "split.py",
        source_dir=str(CODE),
        inputs=source,
        outputs=outputs(),
        arguments=["--share", "0.3"],
        wait=False,
    )
    jobs[name] = processor.latest_job
isolated = ScriptProcessor(
    image_uri=retrieve("sklearn", session.boto_region_name, "1.2-1"),
    command=["python3"],
    network_config=NetworkConfig(enable_network_isolation=True),
    **usual,
)
isolated.run("split_alone.py", inputs=source, outputs=outputs(), wait=False)
jobs["isolated"] = isolated.latest_job

patient = SKLearnProcessor("1.2-1", **usual)
Path("patient.py").write_text("import time\ntime.sleep(600)\n")
patient.run("patient.py", wait=False)
while patient.latest_job.describe().get("ProcessingStartTime") is None:
    time.sleep(0.2)
patient.latest_job.stop()

printed = io.StringIO()
streamed = SKLearnProcessor("1.2-1", **usual)
with contextlib.redirect_stdout(printed):
    streamed.run("split_alone.py", inputs=source, outputs=outputs(), arguments=["--share", "0.2"], logs=True)
print(printed.getvalue())
assert "split 150 rows" in printed.getvalue()
assert (rows(streamed.latest_job, "train"), rows(streamed.latest_job, "test")) == (120, 30)

for name, job in jobs.items():
    job.wait(logs=False)
    described = job.describe()
    assert described["ProcessingJobStatus"] == "Completed", described
    assert rows(job, "test") == (30 if name == "isolated" else 45), name
assert patient.latest_job.describe()["ProcessingJobStatus"] == "Stopped"

again = sagemaker.processing.ProcessingJob.from_processing_name(session, jobs["sklearn"].job_name)
assert [output.output_name for output in again.outputs] == ["train", "test"]

broken = SKLearnProcessor("1.2-1", **usual)
Path("broken.py").write_text("raise SystemExit(3)\n")
try:
    broken.run("broken.py", logs=False)
except sagemaker.exceptions.UnexpectedStatusException as error:
    assert "Reason: AlgorithmError: See job logs for more information" in str(error), error
else:
    raise AssertionError("the failure was not told")
