"""Where a model and its script may lie, and that an endpoint starts again whatever became of them."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from tests.capabilities.endpoints.account import ROLE, SKLEARN, XGBOOST, Account, Load, kill, model_servers
from tests.servers import Clary, wait_until

SCRIPT = """
import os
from own_wheel import answer

MORE = "/opt/ml/additional-model-data-sources"

def model_fn(model_dir):
    below = [os.path.join(folder, name) for folder, _, names in os.walk(MORE) for name in names]
    more = [os.path.relpath(file, MORE) + ("=" if os.access(file, os.W_OK) else ":") + open(file).read()
            for file in below]
    return sorted(os.listdir(model_dir)) + sorted(more)

def transform_fn(model, body, content_type, accept, context):
    context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes",
                                "heard " + context.get_request_header(0, "X-Amzn-SageMaker-Custom-Attributes"))
    return answer(body) + " " + ",".join(model)
"""
REQUIREMENTS = "--no-index\n--find-links wheels\nown-wheel==1.0\n"


def wheel() -> bytes:
    """A package that only this archive has."""
    files = {
        "own_wheel.py": "def answer(body):\n    return 'answer to ' + body\n",
        "own_wheel-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: own-wheel\nVersion: 1.0\n",
        "own_wheel-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "own_wheel-1.0.dist-info/RECORD": "",
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        for name, text in files.items():
            made.writestr(name, text)
    return packed.getvalue()


def tarball(file: Path, contents: dict[str, bytes]) -> Path:
    with tarfile.open(file, "w:gz") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file


def code(prefix: str = "") -> dict[str, bytes]:
    return {
        f"{prefix}inference.py": SCRIPT.encode(),
        f"{prefix}requirements.txt": REQUIREMENTS.encode(),
        f"{prefix}wheels/own_wheel-1.0-py3-none-any.whl": wheel(),
    }


def ask(account: Account, endpoint: str) -> tuple[bytes, str]:
    answer = account.runtime.invoke_endpoint(
        EndpointName=endpoint, Body=b"7", ContentType="text/csv", CustomAttributes="trace=7"
    )
    return answer["Body"].read(), answer["CustomAttributes"]


def test_script_with_requirements_beside_the_model(account: Account, tmp_path: Path) -> None:
    account.model("wheel", SKLEARN, tarball(tmp_path / "m.tar.gz", {"weights": b"1"} | code("code/")))
    account.config("wheel", "wheel")
    assert account.create("wheel", "wheel")["EndpointStatus"] == "InService"
    assert ask(account, "wheel") == (b"answer to 7 code,weights", "heard trace=7")
    account.delete("wheel")


def test_script_in_an_archive_of_its_own_and_more_data_beside_the_model(account: Account, tmp_path: Path) -> None:
    """As the SDK deploys scikit-learn and XGBoost models: `SAGEMAKER_SUBMIT_DIRECTORY` is an s3:// archive."""
    archives = {"sourcedir": code(), "model": {"weights": b"1"}, "more": {"deep/x": b"7"}}
    for name, contents in archives.items():
        account.s3.upload_file(str(tarball(tmp_path / "t", contents)), "models", f"source/{name}.tar.gz")
    for key in ("one", "many/a", "many/deep/b"):
        account.s3.put_object(Bucket="models", Key=f"source/{key}", Body=key.encode())
    where = {"one": ("one", "S3Object", "None"), "many": ("many/", "S3Prefix", "None")}
    where["packed"] = ("more.tar.gz", "S3Object", "Gzip")
    container = {
        "Image": SKLEARN,
        "ModelDataUrl": "s3://models/source/model.tar.gz",
        "AdditionalModelDataSources": [
            {
                "ChannelName": name,
                "S3DataSource": {"S3Uri": f"s3://models/source/{key}", "S3DataType": kind, "CompressionType": packed},
            }
            for name, (key, kind, packed) in where.items()
        ],
        "Environment": {
            "SAGEMAKER_SUBMIT_DIRECTORY": "s3://models/source/sourcedir.tar.gz",
            "SAGEMAKER_PROGRAM": "inference.py",
        },
    }
    account.sagemaker.create_model(ModelName="source", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    account.config("source", "source")
    assert account.create("source", "source")["EndpointStatus"] == "InService"
    # Read-only, but for what was unpacked for this instance alone.
    more = b"many/a:many/a,many/deep/b:many/deep/b,one/one:one,packed/deep/x=7"
    assert ask(account, "source") == (b"answer to 7 weights," + more, "heard trace=7")
    account.delete("source")


def test_uncompressed_model_data(account: Account, made: tuple[Path, float]) -> None:
    account.s3.upload_file(str(made[0].parent / "xgboost-model"), "models", "plain/xgboost-model")
    account.s3.put_object(Bucket="models", Key="plain/", Body=b"")
    source = {"S3Uri": "s3://models/plain/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    container = {"Image": XGBOOST, "ModelDataSource": {"S3DataSource": source}}
    role = "arn:aws:iam::123456789012:role/SageMakerRole"
    account.sagemaker.create_model(ModelName="plain", PrimaryContainer=container, ExecutionRoleArn=role)
    account.config("plain", "plain")
    assert account.create("plain", "plain")["EndpointStatus"] == "InService"
    assert float(account.invoke("plain")) == pytest.approx(made[1])
    account.delete("plain")


def test_instance_starts_again_when_model_configuration_and_data_are_gone(
    account: Account, server: Clary, made: tuple[Path, float]
) -> None:
    account.model("gone", XGBOOST, made[0])
    account.config("gone", "gone")
    account.create("gone", "gone")
    account.sagemaker.delete_model(ModelName="gone")
    account.sagemaker.delete_endpoint_config(EndpointConfigName="gone")
    account.s3.delete_object(Bucket="models", Key="gone/model.tar.gz")
    kill(model_servers(server))
    with Load(lambda: account.invoke("gone"), threads=1) as load:
        load.more(5)
    assert float(load.answers[-1]) == pytest.approx(made[1])
    assert account.sagemaker.describe_endpoint(EndpointName="gone")["EndpointConfigName"] == "gone"
    account.delete("gone")
    wait_until(lambda: not any((server.home / "endpoints").iterdir()))
