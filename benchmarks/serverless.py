"""Cold start of a serverless endpoint: a call that finds no instance, for a scikit-learn model."""

import subprocess
import tarfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.capabilities.endpoints.account import ROLE, SKLEARN
from tests.servers import Clary, wait_until
from tests.serving.artefacts import python

from benchmarks.report import Section

RUNS = 30
IDLE_SECONDS = 0.5
TRAIN = """
import joblib, numpy
from sklearn.ensemble import RandomForestClassifier
rows = numpy.random.default_rng(0).normal(size=(500, 4))
joblib.dump(RandomForestClassifier(20, random_state=0).fit(rows, rows[:, 0] > 0), "model.joblib")
"""
SCRIPT = """
import os, time
import joblib

def model_fn(model_dir):
    began = time.time()
    model = joblib.load(os.path.join(model_dir, "model.joblib"))
    print("loading", began, time.time(), flush=True)
    return model
"""
ROW: dict[str, Any] = {"EndpointName": "e", "Body": b"0.1,0.2,0.3,0.4", "ContentType": "text/csv"}


def measure(folder: Path, quick: bool) -> Section:
    section = Section(
        "serverless",
        "Serverless cold start",
        "half of all calls that find no instance are answered within 0.8 s (scikit-learn, environment built)",
        ("what", "p50, s", "p90, s", "longest, s"),
    )
    with Clary(folder / "home", serverless_idle_seconds=str(IDLE_SECONDS)) as clary:
        clary.start()
        runtime, logs, records = clary.client("sagemaker-runtime"), clary.client("logs"), clary.client("sagemaker")
        _create(clary, folder)
        cold = [_cold(runtime, clary.home) for _ in range(3 if quick else RUNS)]
        parts = _loads(logs)[-len(cold) :]
        warm = [_call(runtime)[1] for _ in range(3 if quick else RUNS)]
        records.delete_endpoint(EndpointName="e")
    whole_calls = [end - begin for begin, end in cold]
    started = [load[0] - call[0] for call, load in zip(cold, parts, strict=True)]
    loaded = [load[1] - load[0] for load in parts]
    answered = [call[1] - load[1] for call, load in zip(cold, parts, strict=True)]
    section.rows = [
        ("call → answer, no instance there", *_quantiles(whole_calls)),
        ("… call → `model_fn` begins", *_quantiles(started)),
        ("… `model_fn`: loading a random forest with joblib", *_quantiles(loaded)),
        ("… `model_fn` ends → answer", *_quantiles(answered)),
        ("call → answer, instance there", *_quantiles(warm)),
    ]
    middle = sorted(whole_calls)[len(cold) // 2]
    section.verdict(middle <= 0.8, f"p50 {middle:.2f} s (at most 0.8 s)")
    section.notes.append(f"{len(cold)} cold calls one after another, through boto3; each waited for zero instances.")
    return section


def _create(clary: Clary, folder: Path) -> None:
    subprocess.run([python("sklearn"), "-c", TRAIN], cwd=folder, check=True)
    (folder / "inference.py").write_text(SCRIPT)
    with tarfile.open(folder / "model.tar.gz", "w:gz") as tar:
        tar.add(folder / "model.joblib", "model.joblib")
        tar.add(folder / "inference.py", "code/inference.py")
    s3, sagemaker = clary.client("s3"), clary.client("sagemaker")
    s3.create_bucket(Bucket="models")
    s3.upload_file(str(folder / "model.tar.gz"), "models", "model.tar.gz")
    container = {"Image": SKLEARN, "ModelDataUrl": "s3://models/model.tar.gz"}
    sagemaker.create_model(ModelName="m", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    serverless = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    variants = [{"VariantName": "v", "ModelName": "m", "ServerlessConfig": serverless}]
    sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=variants)
    sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
    wait_until(lambda: sagemaker.describe_endpoint(EndpointName="e")["EndpointStatus"] == "InService")


def _cold(runtime: Any, home: Path) -> tuple[float, float]:
    """When the call was made and when it was answered, by a server without an instance."""
    wait_until(lambda: not any(home.glob("jobs/*/workload.json")))
    begun, spent = _call(runtime)
    return begun, begun + spent


def _call(runtime: Any) -> tuple[float, float]:
    begun = time.time()
    runtime.invoke_endpoint(**ROW)["Body"].read()
    return begun, time.time() - begun


def _loads(logs: Any) -> list[tuple[float, float]]:
    """When each `model_fn` began and ended, in the order of the calls."""
    since = int((datetime.now(UTC) - timedelta(hours=1)).timestamp() * 1000)
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName="/aws/sagemaker/Endpoints/e", startTime=since, filterPattern="loading"
    )
    words = [event["message"].split() for page in pages for event in page["events"]]
    return sorted((float(found[1]), float(found[2])) for found in words if len(found) == 3)


def _quantiles(values: list[float]) -> tuple[str, ...]:
    values = sorted(values)
    return tuple(f"{values[min(len(values) - 1, int(part * len(values)))]:.3f}" for part in (0.5, 0.9, 1))
