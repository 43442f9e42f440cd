"""The controller killed at writes of an endpoint's update, under calls: none fails, and every update ends as asked."""

from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from tests.capabilities.endpoints.account import SECONDS, Load
from tests.capabilities.endpoints.test_deployment import bluegreen, percent, rolling
from tests.capabilities.training.records import IMAGES, ROLE
from tests.crash.controllers import BUCKET, Stage
from tests.servers import PATIENCE, wait_until
from tests.serving.artefacts import echo_archive

from clary.capabilities.endpoints.fleet import Instance, load

pytestmark = pytest.mark.timeout(600)

WAYS: list[tuple[int, dict[str, Any]]] = [
    (1, rolling(percent(50))),
    (50, bluegreen("CANARY", CanarySize=percent(50))),
]
"""Of the 60 to 140 writes of an update, by how it went: before which the controller dies; and the update."""


class Endpoint:
    """One instance, and two configurations of the same model, of which an update takes the other."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage = stage
        stage.s3.upload_file(str(echo_archive(folder)), BUCKET, "model.tar.gz")
        environment = {"SAGEMAKER_PROGRAM": "inference.py"}
        container = {
            "Image": IMAGES["sklearn"],
            "ModelDataUrl": f"s3://{BUCKET}/model.tar.gz",
            "Environment": environment,
        }
        stage.sagemaker.create_model(ModelName="m", PrimaryContainer=container, ExecutionRoleArn=ROLE)
        variant = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        for name in ("a", "b"):
            stage.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        stage.sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="a")
        self.until_in_service()
        self.runtime = stage.clary.client("sagemaker-runtime")
        self.runtime.meta.config.retries = Config(retries={"total_max_attempts": 1}).retries

    @property
    def record(self) -> Any:
        return self.stage.store.get("Endpoint", "123456789012", "us-east-1", "e")

    def update(self, asked: dict[str, Any]) -> str:
        wanted = "b" if self.describe()["EndpointConfigName"] == "a" else "a"
        self.stage.sagemaker.update_endpoint(EndpointName="e", EndpointConfigName=wanted, DeploymentConfig=asked)
        return wanted

    def describe(self) -> dict[str, Any]:
        found: dict[str, Any] = self.stage.sagemaker.describe_endpoint(EndpointName="e")
        return found

    def settled(self) -> bool:
        """In service, and nothing of another fleet is left."""
        return self.record.status == "InService" and not self.record.state["Fleets"]["retired"]

    def until_in_service(self) -> None:
        wait_until(self.settled, SECONDS, lambda: f"{self.describe()}{self.stage.told()}")

    def call(self) -> bytes:
        body: bytes = self.runtime.invoke_endpoint(EndpointName="e", Body=b"x")["Body"].read()
        return body


@pytest.fixture
def endpoint(stage: Stage, tmp_path: Path) -> Endpoint:
    return Endpoint(stage, tmp_path)


def test_killed_at_writes_of_an_update(stage: Stage, endpoint: Endpoint) -> None:
    with Load(endpoint.call, threads=1) as calls:
        for write, asked in WAYS:
            stage.kill()
            wanted = endpoint.update(asked)
            stage.start(f"{endpoint.record.id} {write}")
            wait_until(lambda: not stage.alive(), PATIENCE, stage.told)
            stage.start()
            endpoint.until_in_service()
            assert endpoint.describe()["EndpointConfigName"] == wanted
        calls.more(10)
    assert (calls.errors, set(calls.answers)) == ([], {b"x"})
    serving = {each.workload for each in _instances(endpoint)}
    wait_until(lambda: {folder.name for folder in (stage.home / "jobs").iterdir()} == serving)


def _instances(endpoint: Endpoint) -> tuple[Instance, ...]:
    return load(endpoint.record.state).instances
