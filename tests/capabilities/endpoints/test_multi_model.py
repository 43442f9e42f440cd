"""A multi-model endpoint with more models than its memory takes: each really trained, each with its own script."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.capabilities.endpoints.account import ROLE, SKLEARN, Account, Load, kill, model_servers
from tests.servers import Clary, wait_until
from tests.serving.artefacts import archive, python

MODELS = 5
TRAIN = """
import joblib, numpy
from sklearn.linear_model import LinearRegression
rows = numpy.random.default_rng(0).normal(size=(50, 2))
for slope in range(5):
    joblib.dump(LinearRegression().fit(rows, rows @ [slope, 1]), f"{slope}.joblib")
"""
SCRIPT = """
import os, joblib, numpy

NAME = "{name}"

def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, NAME + ".joblib")), numpy.ones(4 << 20)

def predict_fn(data, model):
    return numpy.round(model[0].predict(data), 6)
"""
"""Each takes 32 MB more than it needs."""
NO_MODELS = {
    "group/9.tar.gz": "Failed to download model data(bucket: models, key: many/group/9.tar.gz)",
    "../m/model.tar.gz": "Invalid TargetModel",
    "text.tar.gz": "Failed to extract model data archive",
    "": "TargetModel is required",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clary]:
    """What is counted is shown soon."""
    with Clary(tmp_path_factory.mktemp("multi") / "home", scaling_period_seconds="1") as clary:
        yield clary.start()


@pytest.fixture(scope="module")
def many(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Account:
    """Endpoint `many`, with models `group/<slope>.tar.gz` and memory for three of them."""
    folder = tmp_path_factory.mktemp("models")
    subprocess.run([python("sklearn"), "-c", TRAIN], cwd=folder, check=True)
    (folder / "code").mkdir()
    for slope in range(MODELS):
        (folder / "code/inference.py").write_text(SCRIPT.format(name=slope))
        made = archive(folder, f"{slope}.joblib", "code/inference.py")
        account.s3.upload_file(str(made), "models", f"many/group/{slope}.tar.gz")
    account.s3.put_object(Bucket="models", Key="many/text.tar.gz", Body=b"just text")
    container = {
        "Image": SKLEARN,
        "Mode": "MultiModel",
        "ModelDataUrl": "s3://models/many/",
        "Environment": {"CLARY_MODELS_MEMORY_MB": "110"},
    }
    account.sagemaker.create_model(ModelName="many", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    account.config("many", "many")
    described = account.create("many", "many")
    assert described["EndpointStatus"] == "InService", described
    return account


def predict(account: Account, slope: int) -> bytes:
    request = {"TargetModel": f"group/{slope}.tar.gz", "ContentType": "application/json", "Body": b"[[1, 0]]"}
    return account.invoke("many", **request)


def value(answer: bytes) -> float:
    return float(answer.strip(b"[]"))


def refusal(account: Account, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        account.invoke("many", **request)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def total(account: Account, name: str, statistic: str = "Sum", namespace: str = "AWS/SageMaker") -> float:
    now = datetime.now(UTC)
    found = account.cloudwatch.get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": "EndpointName", "Value": "many"}, {"Name": "VariantName", "Value": "v-many"}],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=1),
        Period=3600,
        Statistics=[statistic],
    )["Datapoints"]
    values = [float(point[statistic]) for point in found]
    return max(values, default=0.0) if statistic == "Maximum" else sum(values)


def test_more_models_than_memory_takes(many: Account, server: Clary) -> None:
    """One after the other, since what is loaded and counted depends on all calls before."""
    all_answer(many)
    killed_server_loads_its_models_again(many, server)
    model_that_is_put_anew_counts_once_it_is_loaded_again(many)
    for target, words in NO_MODELS.items():
        code, message = refusal(many, **({"TargetModel": target} if target else {}))
        assert (code, words in message) == ("ValidationError", True), message


def all_answer(many: Account) -> None:
    answers = [value(predict(many, slope)) for _ in range(2) for slope in range(MODELS)]
    assert answers == [*range(MODELS)] * 2
    wait_until(lambda: total(many, "Invocations") == 2 * MODELS)
    loads = total(many, "ModelLoadingTime", "SampleCount")
    unloads = total(many, "ModelUnloadingTime", "SampleCount")
    assert (loads, unloads, total(many, "ModelCacheHit")) == (2 * MODELS, 2 * MODELS - 3, 0)
    wait_until(lambda: total(many, "LoadedModelCount", "Maximum", "/aws/sagemaker/Endpoints") == 3)
    # Unloaded is not deleted: each was fetched once.
    assert total(many, "ModelDownloadingTime", "SampleCount") == MODELS

    # The one that is used stays, whatever else comes and goes.
    for slope in (0, 1, 0, 2, 0, 3, 0):
        predict(many, slope)
    wait_until(lambda: total(many, "Invocations") == 2 * MODELS + 7)
    assert total(many, "ModelCacheHit") == 3


def killed_server_loads_its_models_again(many: Account, server: Clary) -> None:
    with Load(lambda: predict(many, 1), threads=2) as load:
        load.more(5)
        kill(model_servers(server))
        wait_until(lambda: load.errors)
        load.more(20)
    assert set(map(value, load.answers)) == {1}


def model_that_is_put_anew_counts_once_it_is_loaded_again(many: Account) -> None:
    predict(many, 0)
    source = {"Bucket": "models", "Key": "many/group/4.tar.gz"}
    many.s3.copy_object(Bucket="models", Key="many/group/0.tar.gz", CopySource=source)
    assert value(predict(many, 0)) == 0
    answers = [value(predict(many, slope)) for slope in (1, 2, 3, 0)]
    assert answers == [1, 2, 3, 4]
