"""One account of a running server for endpoint tests: unmodified boto3 clients, steady load, and its processes."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from tests.servers import PATIENCE, Clary, wait_until
from tests.serving.artefacts import ROW

ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
CSV: dict[str, Any] = {"Body": ROW, "ContentType": "text/csv"}
SECONDS = 240.0
ATTEMPTS = 10


class Account:
    """The clients of one running server, with a model `m` and a configuration `c`."""

    def __init__(self, server: Clary, model: Path) -> None:
        self.artefact = model
        self._server = server
        env = server.client_environ()
        session = boto3.Session(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], region_name=env["AWS_REGION"])
        settings = Config(retries={"total_max_attempts": 1}, max_pool_connections=20)
        self.sagemaker, self.runtime, self.s3, self.logs, self.cloudwatch = (
            session.client(name, endpoint_url=server.url, config=settings)
            for name in ("sagemaker", "sagemaker-runtime", "s3", "logs", "cloudwatch")
        )
        quick = Config(retries={"total_max_attempts": 1}, read_timeout=6)
        self._quick = session.client("s3", endpoint_url=server.url, config=quick)
        self.s3.create_bucket(Bucket="models")
        self.model("m", XGBOOST, model)
        self.config("c", "m")

    def model(self, name: str, image: str, data: Path, **environment: str) -> None:
        self.s3.upload_file(str(data), "models", f"{name}/model.tar.gz")
        container = {"Image": image, "ModelDataUrl": f"s3://models/{name}/model.tar.gz", "Environment": environment}
        self.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)

    def config(self, name: str, *models: str, **members: Any) -> None:
        """One variant, named `v-<model>`, for each model."""
        variants = [
            {"VariantName": f"v-{model}", "ModelName": model, "InstanceType": "ml.m5.large"} | members
            for model in models
        ]
        for variant in variants:
            variant.setdefault("InitialInstanceCount", 1)
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants)

    def status(self, name: str) -> str:
        return str(self.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"])

    def await_status(self, name: str, *wanted: str) -> dict[str, Any]:
        wait_until(
            lambda: self.status(name) in wanted,
            SECONDS,
            lambda: str(self.sagemaker.describe_endpoint(EndpointName=name)),
        )
        described: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=name)
        return described

    def create(self, name: str, config: str = "c") -> dict[str, Any]:
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        return self.await_status(name, "InService", "Failed")

    def invoke(self, endpoint: str, **request: Any) -> bytes:
        body: bytes = self.runtime.invoke_endpoint(EndpointName=endpoint, **{**CSV, **request})["Body"].read()
        return body

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Nothing moves on inside: the controller is stopped, so that a state can be looked at at leisure."""
        children = psutil.Process(self._server.process.pid).children()
        (controller,) = [each for each in children if "clary.controller" in words(each)]
        try:
            self._suspend(controller)
            yield
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                controller.resume()

    def _suspend(self, controller: psutil.Process) -> None:
        """Where nobody else has to wait for it: not in the middle of a transaction."""
        for _ in range(ATTEMPTS):
            controller.suspend()
            try:
                self._quick.put_object(Bucket="models", Key="held")
                return
            except BotoCoreError:
                controller.resume()
        raise AssertionError("the controller is always writing")

    def delete(self, name: str) -> None:
        self.sagemaker.delete_endpoint(EndpointName=name)
        patient = {"Delay": 1, "MaxAttempts": 120}
        self.sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=name, WaiterConfig=patient)


PAUSE = 0.02
"""Seconds between the calls of a thread: a load, not a benchmark."""


class Load:
    """Calls an endpoint from several threads, without retries, and keeps every outcome."""

    def __init__(self, call: Callable[[], bytes], threads: int = 4) -> None:
        self._call = call
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]
        self.answers: list[bytes] = []
        self.errors: list[ClientError] = []

    def _run(self) -> None:
        while not self._stop.wait(PAUSE):
            try:
                self.answers.append(self._call())
            except ClientError as error:
                self.errors.append(error)

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int = 50) -> None:
        """Until so many further calls were answered."""
        goal = len(self.answers) + count
        wait_until(lambda: len(self.answers) >= goal, PATIENCE, lambda: str(self.errors[-3:]))


def model_servers(server: Clary) -> list[psutil.Process]:
    """The model servers that run below this server's home."""
    return [process for process in running(server) if "clary.serving.server" in words(process)]


def running(server: Clary) -> list[psutil.Process]:
    """Everything that runs below this home's jobs: shims, sandboxes and what is inside."""
    jobs = str(server.home / "jobs")
    tops = [process for process in psutil.process_iter() if any(jobs in word for word in words(process))]
    return list({each.pid: each for top in tops for each in tree(top)}.values())


def tree(top: psutil.Process) -> list[psutil.Process]:
    """The process and all below it; nothing of one that has just ended."""
    try:
        return [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def kill(processes: Iterable[psutil.Process]) -> None:
    """As kill -9; one may take others with it."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline() if process.pid != os.getpid() else []
    except psutil.Error:
        return []
