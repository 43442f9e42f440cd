"""Endpoints on a machine with too few slots: the reason is visible, the old fleet serves on, nothing waits for ever."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.capabilities.endpoints.account import Account
from tests.servers import Clary, wait_until


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, made: tuple[Path, float]) -> Iterator[Account]:
    """One slot, and little patience, but for variants that say `patient`."""
    with Clary(tmp_path_factory.mktemp("small") / "home", slots="1", endpoint_startup_seconds="30") as clary:
        account = Account(clary.start(), made[0])
        account.config("patient", "m", ContainerStartupHealthCheckTimeoutInSeconds=240)
        yield account


def said(account: Account, endpoint: str) -> list[str]:
    """Nothing before its first instance has a log."""
    group = f"/aws/sagemaker/Endpoints/{endpoint}"
    if not account.logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
        return []
    return [event["message"] for event in account.logs.filter_log_events(logGroupName=group)["events"]]


def test_update_and_second_endpoint_without_room(small: Account, made: tuple[Path, float]) -> None:
    small.create("first", "patient")
    small.sagemaker.create_endpoint(EndpointName="second", EndpointConfigName="c")
    small.sagemaker.update_endpoint(EndpointName="first", EndpointConfigName="c")
    waiting = "Waiting for room: 1 of 1 instances are in use on this machine"
    wait_until(lambda: waiting in said(small, "second"))
    assert (small.status("first"), small.status("second")) == ("Updating", "Creating")
    described = small.await_status("first", "InService")
    assert "InsufficientInstanceCapacity" in described["FailureReason"]
    assert float(small.invoke("first")) == pytest.approx(made[1])
    failed = small.await_status("second", "Failed")
    assert failed["FailureReason"].startswith("Unable to provision requested ML compute capacity")
    small.delete("second")
    small.delete("first")


def test_room_that_comes_is_taken(small: Account, made: tuple[Path, float]) -> None:
    small.create("leaves", "patient")
    small.sagemaker.create_endpoint(EndpointName="waits", EndpointConfigName="patient")
    wait_until(lambda: any("Waiting for room" in line for line in said(small, "waits")))
    small.delete("leaves")
    described = small.await_status("waits", "InService", "Failed")
    assert described["EndpointStatus"] == "InService", described
    assert float(small.invoke("waits")) == pytest.approx(made[1])
    small.delete("waits")
