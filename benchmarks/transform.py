"""A table through a batch transform job, beside a process that reads it with pyarrow and predicts with the library."""

import json
import subprocess
import time
from pathlib import Path
from statistics import median
from typing import Any

from tests.servers import Clary, wait_until
from tests.serving.artefacts import archive, python

from benchmarks.processes import whole
from benchmarks.report import Section

ROWS, COLUMNS, TREES = 1_000_000, 10, 100
ROUNDS = 5
TARGET = 0.6
BUCKET = "bench"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
MAKE = """
import sys, numpy, xgboost
rows, columns, trees = map(int, sys.argv[1:])
chance = numpy.random.default_rng(0)
known = chance.normal(size=(20_000, columns))
labels = known.sum(axis=1) + chance.normal(size=len(known)) > 0
data = xgboost.DMatrix(known, labels)
model = xgboost.train({"max_depth": 6, "objective": "binary:logistic"}, data, num_boost_round=trees)
model.save_model("model.ubj")
open("xgboost-model", "wb").write(open("model.ubj", "rb").read())
with open("rows.csv", "w") as out:
    for row in chance.normal(size=(rows, columns)).round(6).tolist():
        out.write(",".join(map(str, row)) + "\\n")
"""
DIRECT = """
import json, time
import numpy, pyarrow.csv, xgboost
model = xgboost.Booster(model_file="model.ubj")
begun, used = time.perf_counter(), time.process_time()
options = pyarrow.csv.ReadOptions(autogenerate_column_names=True)
table = pyarrow.csv.read_csv("rows.csv", read_options=options)
rows = numpy.column_stack([column.to_numpy() for column in table.columns]).astype("float32")
predicted = model.inplace_predict(rows)
print(json.dumps({"wall": time.perf_counter() - begun, "cpu": time.process_time() - used}))
open("direct.out", "w").write("\\n".join(map(str, predicted.tolist())) + "\\n")
"""


def measure(folder: Path, quick: bool) -> Section:
    rows = 20_000 if quick else ROWS
    section = Section(
        "transform",
        "Batch transform",
        f"{rows:,} rows of CSV through XGBoost: at least {TARGET:.0%} of the rows/s of one process that reads them "
        "with pyarrow and predicts with the library",
        ("what", "rows/s", "seconds"),
    )
    interpreter = python("xgboost")
    subprocess.run([interpreter, "-c", MAKE, *map(str, (rows, COLUMNS, TREES))], cwd=folder, check=True)
    model = archive(folder, "xgboost-model")
    drives, jobs, direct = [], [], []
    with whole(folder / "home") as clary:
        _upload(clary, model, folder / "rows.csv")
        for number in range(1 if quick else ROUNDS):
            direct.append(_direct(interpreter, folder))
            drive, job = _job(clary, f"round-{number}")
            drives.append(drive)
            jobs.append(job)
        _check(clary, folder)
    for what, seconds in (("read with pyarrow and predicted in one process", direct), ("objects on their way", drives)):
        section.rows.append((what, f"{rows / median(seconds):,.0f}", f"{median(seconds):.2f}"))
    section.rows.append(("the job, from create to `Completed`", f"{rows / median(jobs):,.0f}", f"{median(jobs):.2f}"))
    ratio = median(each / own for each, own in zip(direct, drives, strict=True))
    section.verdict(ratio >= TARGET, f"{ratio:.0%} of the direct process's rows/s (at least {TARGET:.0%})")
    section.notes.append(
        f"Medians of {len(drives)} rounds that alternate; {COLUMNS} columns, {TREES} trees of depth 6. On their way: "
        "from the driver's first payload to the status. The direct process's time has neither its start nor its "
        "imports in it, and it writes nothing. The outputs are the same, byte for byte."
    )
    return section


def _upload(clary: Clary, model: Path, rows: Path) -> None:
    s3, sagemaker = clary.client("s3"), clary.client("sagemaker")
    s3.create_bucket(Bucket=BUCKET)
    s3.upload_file(str(model), BUCKET, "model.tar.gz")
    s3.upload_file(str(rows), BUCKET, "in/rows.csv")
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/model.tar.gz"}
    sagemaker.create_model(ModelName="bench", PrimaryContainer=container, ExecutionRoleArn=ROLE)


def _direct(interpreter: Path, folder: Path) -> float:
    done = subprocess.run([interpreter, "-c", DIRECT], cwd=folder, check=True, capture_output=True)
    return float(json.loads(done.stdout)["wall"])


def _job(clary: Clary, name: str) -> tuple[float, float]:
    """Seconds that its objects were on their way, and that all of it took."""
    sagemaker, called = clary.client("sagemaker"), time.time()
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/in/"}}
    sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName="bench",
        TransformInput={"DataSource": source, "ContentType": "text/csv", "SplitType": "Line"},
        TransformOutput={"S3OutputPath": f"s3://{BUCKET}/{name}", "AssembleWith": "Line", "Accept": "text/csv"},
        TransformResources={"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
    )
    wait_until(lambda: _status(sagemaker, name) != "InProgress", 600)
    described = sagemaker.describe_transform_job(TransformJobName=name)
    if described["TransformJobStatus"] != "Completed":
        raise RuntimeError(described["FailureReason"])
    ended = described["TransformEndTime"].timestamp()
    return ended - _first_line(clary.client("logs"), name), ended - called


def _status(sagemaker: Any, name: str) -> str:
    time.sleep(0.05)
    return str(sagemaker.describe_transform_job(TransformJobName=name)["TransformJobStatus"])


def _first_line(logs: Any, name: str) -> float:
    """When the driver had asked the container how it is to be called."""
    group = "/aws/sagemaker/TransformJobs"
    found = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"]
    (stream,) = [one["logStreamName"] for one in found if one["logStreamName"].endswith("data-log")]
    events = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]
    return float(events[0]["timestamp"]) / 1000


def _check(clary: Clary, folder: Path) -> None:
    """Both must have predicted the same."""
    body = clary.client("s3").get_object(Bucket=BUCKET, Key="round-0/rows.csv.out")["Body"].read()
    if body != (folder / "direct.out").read_bytes():
        raise RuntimeError("the job's predictions are not those of the direct process")
