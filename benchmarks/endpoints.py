"""Endpoints of a whole Clary for measures: models, deployments, signed calls."""

import tarfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.servers import Clary, wait_until

from benchmarks.processes import signer

REPOSITORY = "683313688378.dkr.ecr.us-east-1.amazonaws.com"
IMAGES = {
    "xgboost": f"{REPOSITORY}/sagemaker-xgboost:1.7-1",
    "sklearn": f"{REPOSITORY}/sagemaker-scikit-learn:1.2-1-cpu-py3",
}
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
BUCKET = "bench"
SCRIPT = """
import os, joblib

def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))
"""
CSV = {"Content-Type": "text/csv", "Accept": "text/csv"}


class Hosting:
    """Models, configurations and endpoints go by the same names."""

    def __init__(self, clary: Clary) -> None:
        self.clary = clary
        self.s3, self.sagemaker = clary.client("s3"), clary.client("sagemaker")
        self.s3.create_bucket(Bucket=BUCKET)

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.clary.port

    def archive(self, kind: str, files: Mapping[str, Path]) -> Path:
        """`model.tar.gz` beside the first file, with a script where the kind needs one."""
        folder = next(iter(files.values())).parent
        made, script = folder / f"{kind}.tar.gz", folder / "inference.py"
        script.write_text(SCRIPT)
        with tarfile.open(made, "w:gz") as tar:
            for name, file in files.items():
                tar.add(file, name)
            if kind == "sklearn":
                tar.add(script, "code/inference.py")
        return made

    def model(self, kind: str, files: Mapping[str, Path], name: str = "", **members: Any) -> None:
        """`name`: of the model and its configuration, the kind's by default."""
        name = name or kind
        key = f"{name}/model.tar.gz"
        self.s3.upload_file(str(self.archive(kind, files)), BUCKET, key)
        container = {"Image": IMAGES[kind], "ModelDataUrl": f"s3://{BUCKET}/{key}", **members}
        self.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
        self.configuration(name)

    def configuration(self, name: str) -> None:
        variant = {"VariantName": "all", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])

    def deploy(self, configuration: str, endpoint: str = "") -> float:
        """Seconds from the call to `InService`, seen by looking every 10 ms."""
        endpoint = endpoint or configuration
        begin = time.perf_counter()
        self.sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=configuration)
        self.settled(endpoint)
        return time.perf_counter() - begin

    def settled(self, endpoint: str) -> None:
        """Wait until nothing is under way. Raises `RuntimeError` for an endpoint that has failed."""

        def status() -> str:
            return str(self.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointStatus"])

        wait_until(lambda: status() in ("InService", "Failed"), 300, status)
        if status() == "Failed":
            raise RuntimeError(str(self.sagemaker.describe_endpoint(EndpointName=endpoint)))

    def delete(self, endpoint: str) -> None:
        """Until it is gone."""
        self.sagemaker.delete_endpoint(EndpointName=endpoint)
        named = {"NameContains": endpoint}
        wait_until(lambda: not self.sagemaker.list_endpoints(**named)["Endpoints"], 60)

    def socket(self, endpoint: str) -> Path:
        """Of the only model server there is."""
        (found,) = self.clary.home.glob("jobs/*/*/run/serve.sock")
        return found


def signed(clary: Clary, endpoint: str, body: bytes, **headers: str) -> bytes:
    """A call whose signature lasts for fifteen minutes, longer than a measure."""
    return signer(clary.home, clary.url).raw(
        "sagemaker", "POST", f"/endpoints/{endpoint}/invocations", CSV | headers, body
    )
