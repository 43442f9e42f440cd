"""Models of several containers: a pipeline of two really trained models, and the same two called one by one."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.capabilities.endpoints.account import ROLE, SKLEARN, XGBOOST, Account, kill, model_servers
from tests.servers import Clary, wait_until
from tests.serving.artefacts import archive, python

TRAIN_SCALER = """
import joblib, numpy
from sklearn.preprocessing import StandardScaler
rows = numpy.random.default_rng(1).normal(5, 3, size=(200, 4))
scaler = StandardScaler().fit(rows)
joblib.dump(scaler, "scaler.joblib")
print(",".join(map(str, scaler.transform(numpy.array([[1, 2, 3, 4]], "float32"))[0])))
"""
SCALE = """
import os, joblib

def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "scaler.joblib"))

def predict_fn(data, model):
    return model.transform(data)

def output_fn(prediction, accept):
    return "\\n".join(",".join(map(str, row)) for row in prediction), "text/csv"
"""
ROW = {"Body": b"1,2,3,4", "ContentType": "text/csv"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clary]:
    """With room for two instances, of two containers each."""
    with Clary(tmp_path_factory.mktemp("containers") / "home", slots="2") as clary:
        yield clary.start()


@pytest.fixture(scope="module")
def scaled(account: Account, made: tuple[Path, float], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Endpoints `serial` and `direct` of a scaler and a tree ensemble; what the scaler makes of the row."""
    folder = tmp_path_factory.mktemp("scaler")
    done = subprocess.run([python("sklearn"), "-c", TRAIN_SCALER], cwd=folder, capture_output=True, check=True)
    (folder / "code").mkdir()
    (folder / "code/inference.py").write_text(SCALE)
    account.s3.upload_file(str(archive(folder, "scaler.joblib", "code/inference.py")), "models", "scaler/model.tar.gz")
    for mode in ("Serial", "Direct"):
        containers = [
            {"ContainerHostname": "scale", "Image": SKLEARN, "ModelDataUrl": "s3://models/scaler/model.tar.gz"},
            {"ContainerHostname": "predict", "Image": XGBOOST, "ModelDataUrl": "s3://models/m/model.tar.gz"},
        ]
        name = mode.lower()
        account.sagemaker.create_model(
            ModelName=name,
            Containers=containers,
            InferenceExecutionConfig={"Mode": mode},
            ExecutionRoleArn=ROLE,
        )
        account.config(name, name)
        account.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    for name in ("serial", "direct"):
        described = account.await_status(name, "InService", "Failed")
        assert described["EndpointStatus"] == "InService", described
    return done.stdout.strip()


def refusal(account: Account, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        account.runtime.invoke_endpoint(**{**ROW, **request})
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_pipeline_passes_what_one_answers_to_the_next(account: Account, server: Clary, scaled: bytes) -> None:
    direct = account.runtime.invoke_endpoint(
        EndpointName="direct", TargetContainerHostname="predict", Body=scaled, ContentType="text/csv"
    )["Body"].read()
    whole = account.runtime.invoke_endpoint(EndpointName="serial", Accept="text/csv", **ROW)
    assert (whole["Body"].read(), whole["ContentType"]) == (direct, "text/csv")

    images = account.sagemaker.describe_endpoint(EndpointName="serial")["ProductionVariants"][0]["DeployedImages"]
    assert [image["SpecifiedImage"] for image in images] == [SKLEARN, XGBOOST]
    streams = account.logs.describe_log_streams(logGroupName="/aws/sagemaker/Endpoints/serial")["logStreams"]
    names = sorted(stream["logStreamName"].split("/", 2)[2] for stream in streams)
    assert names == ["predict", "scale"]

    code, message = refusal(account, EndpointName="serial", Body=b"a lot of words")
    assert (code, message.split(" with ")[0]) == ("ModelError", "Received server error (500) from scale")
    before = model_servers(server)
    kill([process for process in before if process.environ().get("CLARY_FRAMEWORK") != "xgboost"])
    wait_until(lambda: not any(process.is_running() for process in before))
    wait_until(lambda: _answers(account, direct, EndpointName="serial"))
    wait_until(lambda: _answers(account, scaled, EndpointName="direct", TargetContainerHostname="scale"))


def _answers(account: Account, body: bytes, **request: str) -> bool:
    try:
        found: bytes = account.runtime.invoke_endpoint(**ROW, **request)["Body"].read()
    except ClientError:
        return False
    return found == body


def test_direct_calls_name_their_container(account: Account, scaled: bytes) -> None:
    one = account.runtime.invoke_endpoint(EndpointName="direct", TargetContainerHostname="scale", **ROW)
    assert one["Body"].read() == scaled
    assert refusal(account, EndpointName="direct")[0] == "ValidationError"
    assert refusal(account, EndpointName="direct", TargetContainerHostname="nobody")[0] == "ValidationError"
    assert refusal(account, EndpointName="serial", TargetContainerHostname="scale")[0] == "ValidationError"
    code, message = refusal(account, EndpointName="direct", TargetContainerHostname="predict", Body=b"1")
    assert (code, message.split(" with ")[0]) == ("ModelError", "Received client error (400) from predict")
