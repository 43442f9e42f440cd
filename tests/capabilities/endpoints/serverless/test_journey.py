"""Serverless endpoints as a client sees them: instances come with calls and go afterwards."""

import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError
from tests.capabilities.endpoints.account import SKLEARN, Account, kill, words
from tests.servers import PATIENCE, Clary, wait_until
from tests.serving.artefacts import echo_archive

from clary.serving import slots

SCRIPT = """
import os
import time

def model_fn(model_dir):
    return None

def transform_fn(model, body, content_type, accept):
    if body.startswith("sleep"):
        time.sleep(float(body.split()[1]))
    return f"{body.upper()} {os.getpid()} {os.readlink('/proc/self/ns/pid')}", "text/csv"
"""
CONFIG = {"MemorySizeInMB": 1024, "MaxConcurrency": 2}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clary]:
    with Clary(
        tmp_path_factory.mktemp("serverless") / "home", serverless_idle_seconds="1", scaling_period_seconds="5"
    ) as clary:
        yield clary.start()


@pytest.fixture(scope="module")
def account(server: Clary, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """Endpoint `e`, whose limit no test changes."""
    folder = tmp_path_factory.mktemp("shout")
    account = Account(server, echo_archive(folder))
    (folder / "inference.py").write_text(SCRIPT)
    with tarfile.open(folder / "model.tar.gz", "w:gz") as tar:
        tar.add(folder / "inference.py", "code/inference.py")
    account.model("shout", SKLEARN, folder / "model.tar.gz")
    configure(account, "c1")
    account.create("e", "c1")
    yield account
    account.delete("e")


def configure(account: Account, name: str, **serverless: int) -> None:
    variants = [{"VariantName": "v", "ModelName": "shout", "ServerlessConfig": CONFIG | serverless}]
    account.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants)


def call(account: Account, body: str) -> str:
    return account.invoke("e", Body=body.encode()).decode()


def instances(server: Clary) -> int:
    return len(list(server.home.glob("jobs/*/workload.json")))


def test_to_zero_and_back_and_provisioned(server: Clary, account: Account) -> None:
    (variant,) = account.sagemaker.describe_endpoint(EndpointName="e")["ProductionVariants"]
    assert (variant["CurrentServerlessConfig"], variant["DesiredServerlessConfig"]) == (CONFIG, CONFIG)
    for name in ("first", "second"):
        wait_until(lambda: instances(server) == 0)
        assert call(account, name).startswith(name.upper())
        assert instances(server) <= 1
    wait_until(lambda: metric(account, "ModelSetupTime") is not None)
    while_the_controller_is_away(server, account)
    provisioned(server, account)


def metric(account: Account, name: str) -> float | None:
    now = datetime.now(UTC)
    found = account.cloudwatch.get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName=name,
        Dimensions=[{"Name": "EndpointName", "Value": "e"}, {"Name": "VariantName", "Value": "v"}],
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=1),
        Period=60,
        Statistics=["Maximum"],
    )["Datapoints"]
    return max((each["Maximum"] for each in found), default=None)


def test_calls_at_once_have_an_instance_each_up_to_the_limit(server: Clary, account: Account) -> None:
    with ThreadPoolExecutor(2) as pool:
        slow = [pool.submit(call, account, f"sleep 4 {number}") for number in range(2)]
        wait_until(lambda: held(server) == 2)
        with pytest.raises(ClientError) as refused:
            call(account, "one too many")
    assert refused.value.response["Error"]["Code"] == "ThrottlingException"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert len({each.result().split()[-1] for each in slow}) == 2


def held(server: Clary) -> int:
    """Slots of the endpoint that calls have."""
    return sum(
        slot.held
        for file in server.home.glob("endpoints/*/slots-*")
        for slot in slots.look(file, CONFIG["MaxConcurrency"])
    )


def while_the_controller_is_away(server: Clary, account: Account) -> None:
    """A call waits."""
    wait_until(lambda: instances(server) == 0)
    with ThreadPoolExecutor(1) as pool:
        with account.held():
            answer = pool.submit(call, account, "patient")
            wait_until(lambda: held(server))
            assert not answer.done()
            (controller,) = (each for each in family(server) if "clary.controller" in words(each))
            kill([controller])
        assert answer.result().startswith("PATIENT")


def family(server: Clary) -> list[psutil.Process]:
    return psutil.Process(server.process.pid).children()


def provisioned(server: Clary, account: Account) -> None:
    """Such instances stay, and a dead one comes back."""
    provision(account, ProvisionedConcurrency=1)
    (variant,) = account.await_status("e", "InService")["ProductionVariants"]
    assert variant["CurrentServerlessConfig"] == CONFIG | {"ProvisionedConcurrency": 1}
    wait_until(lambda: instances(server) == 1)
    space = call(account, "warm").split()[-1]
    inside = [each for each in psutil.process_iter() if pid_space(each) == space]
    kill(inside)
    psutil.wait_procs(inside, PATIENCE)
    assert call(account, "again").startswith("AGAIN")
    with pytest.raises(ClientError, match="less than or equal to MaxConcurrency"):
        provision(account, ProvisionedConcurrency=3)


def provision(account: Account, **update: int) -> None:
    wanted: list[dict[str, Any]] = [{"VariantName": "v", "ServerlessUpdateConfig": update}]
    account.sagemaker.update_endpoint_weights_and_capacities(EndpointName="e", DesiredWeightsAndCapacities=wanted)


def pid_space(process: psutil.Process) -> str:
    try:
        return str(Path(f"/proc/{process.pid}/ns/pid").readlink())
    except OSError:
        return ""


def test_what_is_not_for_serverless_endpoints(account: Account) -> None:
    with pytest.raises(ClientError, match="4194304 bytes"):
        account.invoke("e", Body=b"x" * (4 * 1024 * 1024 + 1))
    with pytest.raises(ClientError, match="1024, 2048, 3072"):
        configure(account, "odd", MemorySizeInMB=1500)
