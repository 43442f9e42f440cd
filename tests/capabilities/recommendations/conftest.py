"""One server with an XGBoost model and sample payloads, for all tests of recommendations."""

import io
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest
from tests.capabilities.endpoints.account import ROLE, Account
from tests.servers import PATIENCE, Clary, wait_until
from tests.serving.artefacts import ROW, xgboost_archive

FINAL = ("COMPLETED", "FAILED", "STOPPED")


def payload(**files: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return made.getvalue()


class Recommender:
    """Jobs of one account, through boto3."""

    def __init__(self, account: Account) -> None:
        self.account, self.sagemaker = account, account.sagemaker
        account.s3.put_object(Bucket="models", Key="good.tar.gz", Body=payload(a=ROW, b=ROW + b"\n" + ROW))
        account.s3.put_object(Bucket="models", Key="bad.tar.gz", Body=payload(a=b"1,2"))

    def create(self, name: str, kind: str = "Advanced", sample: str = "good", **members: Any) -> None:
        config = {
            "ModelName": "m",
            "ContainerConfig": {
                "PayloadConfig": {
                    "SamplePayloadUrl": f"s3://models/{sample}.tar.gz",
                    "SupportedContentTypes": ["text/csv"],
                }
            },
        }
        top = {key: members.pop(key) for key in ("StoppingConditions", "Tags") if key in members}
        self.sagemaker.create_inference_recommendations_job(
            JobName=name, JobType=kind, RoleArn=ROLE, InputConfig={**config, **members}, **top
        )

    def describe(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_inference_recommendations_job(JobName=name)
        return found

    def steps(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.sagemaker.list_inference_recommendations_job_steps(JobName=name)["Steps"]
        return found

    def finished(self, name: str) -> dict[str, Any]:
        wait_until(
            lambda: self.describe(name)["Status"] in FINAL,
            PATIENCE,
            lambda: f"{self.describe(name)} {self.steps(name)}",
        )
        return self.describe(name)


def stairs(seconds: int, steps: int, users: int = 1) -> dict[str, Any]:
    pattern = {"DurationInSeconds": seconds, "NumberOfSteps": steps, "UsersPerStep": users}
    return {"TrafficType": "STAIRS", "Stairs": pattern}


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clary]:
    with Clary(tmp_path_factory.mktemp("recommendations") / "home") as clary:
        yield clary.start()


@pytest.fixture(scope="package")
def recommender(server: Clary, tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    archive, _ = xgboost_archive(tmp_path_factory.mktemp("xgboost"))
    return Recommender(Account(server, archive))
