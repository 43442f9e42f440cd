"""`clary up --workers 2`: whichever worker is asked, the answer is the same, right after the write.

Every request comes on a connection of its own, so that the kernel chooses its worker anew.
"""

import contextlib
import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.capabilities.endpoints.account import SECONDS
from tests.capabilities.training.records import IMAGES, ROLE, request
from tests.crash.load import Calls
from tests.servers import Clary, wait_until
from tests.serving.artefacts import echo_archive

pytestmark = pytest.mark.timeout(600)

BUCKET = "crowded"
THREADS = 4
ROUNDS = 6
ASKED = 12
"""How often a question is put when every worker must have heard it; one is missed once in 2048 times."""


class Crowd:
    """Clients of one server with two workers."""

    def __init__(self, clary: Clary) -> None:
        self.clary = clary
        self._env = clary.client_environ()
        self.sagemaker, self.s3, self.iam = (self.client(name) for name in ("sagemaker", "s3", "iam"))
        self.s3.create_bucket(Bucket=BUCKET)
        self.s3.put_object(Bucket=BUCKET, Key="model.tar.gz", Body=b"not looked into")

    def client(self, service: str, keys: dict[str, str] | None = None, attempts: int = 1) -> Any:
        """As another user's with `keys`, in IAM's form."""
        keys = keys or {
            "AccessKeyId": self._env["AWS_ACCESS_KEY_ID"],
            "SecretAccessKey": self._env["AWS_SECRET_ACCESS_KEY"],
        }
        made = boto3.client(
            service,
            endpoint_url=self.clary.url,
            region_name="us-east-1",
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            config=Config(retries={"total_max_attempts": attempts}, read_timeout=100),
        )
        made.meta.events.register("before-send", _on_a_connection_of_its_own)
        return made

    def workers(self) -> list[psutil.Process]:
        (watching,) = [
            child for child in psutil.Process(self.clary.process.pid).children() if "clary.workers" in child.cmdline()
        ]
        return watching.children()

    def model(self, name: str) -> None:
        container = {"Image": IMAGES["sklearn"], "ModelDataUrl": f"s3://{BUCKET}/model.tar.gz"}
        self.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)


def _on_a_connection_of_its_own(request: Any, **_: object) -> None:
    request.headers["Connection"] = "close"


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    with Clary(tmp_path_factory.mktemp("crowd") / "home", slots="16") as clary:
        yield Crowd(clary.start("--workers", "2"))


def at_once(work: Callable[[int], Any], count: int = THREADS) -> list[Any]:
    """What `work` gave for 0, 1, ..., begun together."""
    begin = threading.Barrier(count)

    def run(number: int) -> Any:
        begin.wait(60)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def code_of(call: Callable[..., Any], **members: Any) -> str:
    """Of the error, or nothing."""
    try:
        call(**members)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def test_both_workers_answer(crowd: Crowd) -> None:
    before = {worker.pid: sum(worker.cpu_times()[:2]) for worker in crowd.workers()}
    assert len(before) == 2
    for _ in range(100):
        crowd.sagemaker.list_models()
    assert [worker.pid for worker in crowd.workers() if sum(worker.cpu_times()[:2]) == before[worker.pid]] == []


def test_objects_are_as_they_were_last_written(crowd: Crowd) -> None:
    def work(thread: int) -> None:
        for number in range(ROUNDS):
            place = {"Bucket": BUCKET, "Key": f"{thread}/{number}"}
            for body in (b"first", b"second"):
                crowd.s3.put_object(**place, Body=body)
                assert crowd.s3.get_object(**place)["Body"].read() == body
            listed = crowd.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{thread}/")
            assert [entry["Key"] for entry in listed.get("Contents", [])] == [place["Key"]]
            crowd.s3.delete_object(**place)
            assert code_of(crowd.s3.get_object, **place) == "NoSuchKey"
            assert crowd.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{thread}/")["KeyCount"] == 0

    at_once(work)


def test_parts_of_an_object_come_through_both(crowd: Crowd) -> None:
    place = {"Bucket": BUCKET, "Key": "in-parts"}
    upload = crowd.s3.create_multipart_upload(**place)["UploadId"]
    bodies = [bytes([number]) * (5 << 20) for number in range(THREADS)]

    def send(number: int) -> dict[str, Any]:
        part = {"UploadId": upload, "PartNumber": number + 1, "Body": bodies[number]}
        return {"PartNumber": number + 1, "ETag": crowd.s3.upload_part(**place, **part)["ETag"]}

    parts = at_once(send)
    crowd.s3.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": parts})
    assert crowd.s3.get_object(**place)["Body"].read() == b"".join(bodies)


def test_records_are_as_they_were_last_written(crowd: Crowd) -> None:
    client = crowd.sagemaker

    def work(thread: int) -> None:
        for number in range(ROUNDS):
            name = f"own-{thread}-{number}"
            crowd.model(name)
            arn = client.describe_model(ModelName=name)["ModelArn"]
            assert [model["ModelName"] for model in client.list_models(NameContains=name)["Models"]] == [name]
            client.add_tags(ResourceArn=arn, Tags=[{"Key": "k", "Value": name}])
            assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "k", "Value": name}]
            client.delete_model(ModelName=name)
            assert code_of(client.describe_model, ModelName=name) == "ValidationException"
            assert client.list_models(NameContains=name)["Models"] == []

    at_once(work)


def test_a_name_is_given_once(crowd: Crowd) -> None:
    def job(name: str) -> str:
        command = {"ContainerEntrypoint": ["/bin/true"]}
        output = {"S3OutputPath": f"s3://{BUCKET}/out"}
        return code_of(crowd.sagemaker.create_training_job, **request(name, algorithm=command, OutputDataConfig=output))

    for number in range(3):
        names = f"job-{number}", f"model-{number}"
        jobs, models = at_once(lambda _: job(names[0])), at_once(lambda _: code_of(crowd.model, name=names[1]))  # noqa: B023
        assert Counter(jobs) == {"": 1, "ResourceInUse": THREADS - 1}
        assert Counter(models) == {"": 1, "ValidationException": THREADS - 1}
    for number in range(3):
        wait_until(lambda number=number: _status(crowd, f"job-{number}") == "Completed")  # type: ignore[misc]
        told = crowd.sagemaker.describe_training_job(TrainingJobName=f"job-{number}")["SecondaryStatusTransitions"]
        assert [entry["Status"] for entry in told].count("Completed") == 1


def _status(crowd: Crowd, job: str) -> str:
    return str(crowd.sagemaker.describe_training_job(TrainingJobName=job)["TrainingJobStatus"])


def test_keys_count_at_every_worker(crowd: Crowd) -> None:
    """New ones at once; withdrawn ones no longer after the second that a worker may remember them."""
    crowd.iam.create_user(UserName="two")
    keys = crowd.iam.create_access_key(UserName="two")["AccessKey"]
    sts = crowd.client("sts", keys)
    assert [sts.get_caller_identity()["Arn"].rpartition("/")[2] for _ in range(ASKED)] == ["two"] * ASKED
    crowd.iam.delete_access_key(UserName="two", AccessKeyId=keys["AccessKeyId"])
    wait_until(lambda: all(code_of(sts.get_caller_identity) == "InvalidClientTokenId" for _ in range(ASKED)))


def test_calls_through_both_are_answered_and_counted(crowd: Crowd, tmp_path: Path) -> None:
    client = crowd.sagemaker
    crowd.s3.upload_file(str(echo_archive(tmp_path)), BUCKET, "echo.tar.gz")
    container = {
        "Image": IMAGES["sklearn"],
        "ModelDataUrl": f"s3://{BUCKET}/echo.tar.gz",
        "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
    }
    variant = {"VariantName": "v", "ModelName": "echo", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    client.create_model(ModelName="echo", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    client.create_endpoint_config(EndpointConfigName="echo", ProductionVariants=[variant])
    client.create_endpoint(EndpointName="echo", EndpointConfigName="echo")
    wait_until(lambda: client.describe_endpoint(EndpointName="echo")["EndpointStatus"] == "InService", SECONDS)
    begun = datetime.now(UTC)
    runtime = crowd.client("sagemaker-runtime")

    def codes() -> set[str]:
        return {code_of(runtime.invoke_endpoint, EndpointName="echo", Body=b"x") for _ in range(ASKED)}

    # A worker may for a moment remember that nothing was in service, and later that something was.
    wait_until(lambda: codes() == {""})
    with Calls(crowd.clary, "echo", threads=8) as calls:
        calls.answered(200)
    assert set(calls.outcomes) == {"own"}
    least = calls.outcomes["own"] + ASKED
    wait_until(lambda: _counted(crowd, begun) >= least, otherwise=lambda: f"{_counted(crowd, begun)} of {least}")
    client.delete_endpoint(EndpointName="echo")
    wait_until(lambda: codes() == {"ValidationError"})


def _counted(crowd: Crowd, begun: datetime) -> float:
    """Calls of the endpoint, as both workers told CloudWatch."""
    dimensions = [{"Name": "EndpointName", "Value": "echo"}, {"Name": "VariantName", "Value": "v"}]
    points = crowd.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName="Invocations",
        Dimensions=dimensions,
        StartTime=begun - timedelta(minutes=2),
        EndTime=begun + timedelta(hours=1),
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(sum(point["Sum"] for point in points))


def test_one_worker_killed_is_replaced_and_nobody_is_refused(crowd: Crowd) -> None:
    """Clients try again, as they do by default, when a connection breaks."""
    client = crowd.client("s3", attempts=5)
    victim, _ = before = crowd.workers()
    victim.suspend()
    with contextlib.ExitStack() as stack:
        # About half of them wait at the door of the worker that dies.
        waiting = [
            stack.enter_context(socket.create_connection(("127.0.0.1", crowd.clary.port), 100)) for _ in range(12)
        ]
        for line in waiting:
            line.sendall(b"GET /clary/health HTTP/1.1\r\nHost: x\r\n\r\n")
        os.kill(victim.pid, signal.SIGKILL)
        assert [line.recv(12) for line in waiting] == [b"HTTP/1.1 200"] * len(waiting)

    def work(thread: int) -> None:
        for number in range(20):
            place = {"Bucket": BUCKET, "Key": f"killed/{thread}/{number}"}
            client.put_object(**place, Body=place["Key"].encode())
            assert client.get_object(**place)["Body"].read() == place["Key"].encode()

    at_once(work)
    wait_until(lambda: len({worker.pid for worker in crowd.workers()} - {victim.pid}) == len(before))
    assert len(client.list_objects_v2(Bucket=BUCKET, Prefix="killed/")["Contents"]) == THREADS * 20
