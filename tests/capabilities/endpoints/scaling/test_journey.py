"""Endpoints that grow and shrink by themselves: under load, by the clock and by a user's own alarm. A minute of target
tracking lasts one second here."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.capabilities.endpoints.account import CSV, ROLE, Account, Load, kill, words
from tests.servers import Clary, wait_until

pytestmark = pytest.mark.timeout(300)

DIMENSION = "sagemaker:variant:DesiredInstanceCount"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clary]:
    home = tmp_path_factory.mktemp("scaling") / "home"
    with Clary(home, scaling_period_seconds="1", host_metrics_seconds="1") as clary:
        yield clary.start()


@pytest.fixture(scope="module")
def account(server: Clary, made: tuple[Path, float]) -> Account:
    return Account(server, made[0])


class Scaled:
    """The variant of an endpoint as Application Auto Scaling knows it."""

    def __init__(
        self, server: Clary, account: Account, endpoint: str, resource: str = "", dimension: str = DIMENSION
    ) -> None:
        self.account, self.endpoint = account, endpoint
        self.client = server.client("application-autoscaling")
        self.resource = resource or f"endpoint/{endpoint}/variant/v-m"
        self.scope: dict[str, Any] = {"ServiceNamespace": "sagemaker", "ResourceId": self.resource}
        self.dimension: dict[str, Any] = self.scope | {"ScalableDimension": dimension}

    def register(self, least: int, most: int) -> None:
        self.client.register_scalable_target(**self.dimension, MinCapacity=least, MaxCapacity=most)

    def count(self) -> tuple[str, int]:
        described = self.account.sagemaker.describe_endpoint(EndpointName=self.endpoint)
        (variant,) = described["ProductionVariants"]
        return described["EndpointStatus"], variant["CurrentInstanceCount"]

    def reaches(self, count: int) -> None:
        wait_until(lambda: self.count() == ("InService", count), otherwise=lambda: str((count, self.activities())))

    def activities(self) -> list[dict[str, Any]]:
        return list(self.client.describe_scaling_activities(**self.scope)["ScalingActivities"])

    def finished(self) -> list[tuple[str, str, str]]:
        """Description, cause and message of each, oldest first, once the newest is over."""
        wait_until(lambda: self.activities()[0]["StatusCode"] not in ("Pending", "InProgress"))
        told = [(one["Description"], one["Cause"], one["StatusMessage"]) for one in reversed(self.activities())]
        return [one for one in told if not one[2].startswith("Failed")]


@pytest.fixture(scope="module")
def tracked(server: Clary, account: Account) -> Scaled:
    account.create("tracked")
    return Scaled(server, account, "tracked")


@pytest.fixture(scope="module")
def queued(server: Clary, account: Account) -> Scaled:
    """An asynchronous one."""
    account.sagemaker.create_endpoint_config(
        EndpointConfigName="queued",
        ProductionVariants=[
            {"VariantName": "v-m", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        ],
        AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": "s3://models/out"}},
    )
    account.create("queued", "queued")
    return Scaled(server, account, "queued")


def successful(count: int) -> str:
    return f"Successfully set desired instance count to {count}. Change successfully fulfilled by sagemaker."


def test_scaled_by_load_by_the_clock_and_by_an_alarm(server: Clary, tracked: Scaled, queued: Scaled) -> None:
    tracked.register(1, 2)
    put = tracked.client.put_scaling_policy(
        **tracked.dimension,
        PolicyName="calls",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 5.0,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
            "ScaleOutCooldown": 0,
            "ScaleInCooldown": 0,
        },
    )
    high, low = (alarm["AlarmName"] for alarm in put["Alarms"])
    assert high.startswith(f"TargetTracking-{tracked.resource}-AlarmHigh-")
    assert low.startswith(f"TargetTracking-{tracked.resource}-AlarmLow-")
    with Load(lambda: tracked.account.invoke("tracked"), threads=2) as load:
        wait_until(tracked.activities)
        # As soon as it was decided; the next controller brings it to its end, once.
        kill(each for each in psutil.Process(server.process.pid).children() if "clary.controller" in words(each))
        tracked.reaches(2)
        load.more(20)
    assert load.errors == []

    # While nobody calls the one, the other is scaled to zero by the clock, and back by what waits for it.
    queued.register(0, 2)
    soon = datetime.now(UTC) + timedelta(seconds=6)
    queued.client.put_scheduled_action(
        **queued.dimension,
        ScheduledActionName="night",
        Schedule=f"at({soon:%Y-%m-%dT%H:%M:%S})",
        ScalableTargetAction={"MaxCapacity": 0},
    )
    queued.reaches(0)
    queued.register(0, 2)
    step = queued.client.put_scaling_policy(
        **queued.dimension,
        PolicyName="wake",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
            "Cooldown": 300,
        },
    )
    watch_backlog(server, step["PolicyARN"])
    asked = queued.account.runtime.invoke_endpoint_async(EndpointName="queued", **CSV)
    queued.reaches(1)
    assert queued.finished() == [
        (
            "Setting max capacity to 0",
            "scheduled action name night was triggered",
            "Successfully set max capacity to 0",
        ),
        ("Setting desired instance count to 0.", "scheduled action name night was triggered", successful(0)),
        (
            "Setting desired instance count to 1.",
            "monitor alarm backlog in state ALARM triggered policy wake",
            successful(1),
        ),
    ]
    key = asked["OutputLocation"].removeprefix("s3://models/")
    wait_until(lambda: "Contents" in queued.account.s3.list_objects_v2(Bucket="models", Prefix=key))
    assert queued.client.describe_scheduled_actions(ServiceNamespace="sagemaker")["ScheduledActions"] == []
    (shown,) = queued.client.describe_scaling_policies(**queued.scope)["ScalingPolicies"]
    assert [alarm["AlarmName"] for alarm in shown["Alarms"]] == ["backlog"]
    told = server.client("cloudwatch").describe_alarm_history(AlarmName="backlog", HistoryItemType="Action")
    summaries = [item["HistorySummary"] for item in told["AlarmHistoryItems"]]
    assert summaries == [f"Successfully executed action {step['PolicyARN']}"]

    tracked.reaches(1)
    assert tracked.finished() == [
        (
            "Setting desired instance count to 2.",
            f"monitor alarm {high} in state ALARM triggered policy calls",
            successful(2),
        ),
        (
            "Setting desired instance count to 1.",
            f"monitor alarm {low} in state ALARM triggered policy calls",
            successful(1),
        ),
    ]
    tracked.client.deregister_scalable_target(**tracked.dimension)
    left = server.client("cloudwatch").describe_alarms(AlarmNamePrefix="TargetTracking-")["MetricAlarms"]
    assert left == []


def watch_backlog(server: Clary, action: str) -> None:
    """As AWS advises for endpoints that scale to zero."""
    server.client("cloudwatch").put_metric_alarm(
        AlarmName="backlog",
        Namespace="AWS/SageMaker",
        MetricName="HasBacklogWithoutCapacity",
        Dimensions=[{"Name": "EndpointName", "Value": "queued"}],
        Statistic="Maximum",
        Period=10,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
        AlarmActions=[action],
    )


def test_copies_and_provisioned_concurrency(server: Clary, account: Account) -> None:
    hosts = [{"VariantName": "hosts", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}]
    account.sagemaker.create_endpoint_config(
        EndpointConfigName="hosts", ProductionVariants=hosts, ExecutionRoleArn=ROLE
    )
    account.create("hosts", "hosts")
    account.sagemaker.create_inference_component(
        InferenceComponentName="part",
        EndpointName="hosts",
        VariantName="hosts",
        Specification={"ModelName": "m", "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 256}},
        RuntimeConfig={"CopyCount": 1},
    )
    serverless = {"MemorySizeInMB": 1024, "MaxConcurrency": 4, "ProvisionedConcurrency": 1}
    variants = [{"VariantName": "v-m", "ModelName": "m", "ServerlessConfig": serverless}]
    account.sagemaker.create_endpoint_config(EndpointConfigName="called", ProductionVariants=variants)
    account.create("called", "called")
    copies = "inference-component/part", "sagemaker:inference-component:DesiredCopyCount"
    wait_until(lambda: component(account) == ("InService", 1))
    for scaled, word in (
        (Scaled(server, account, "hosts", *copies), "desired copy count"),
        (
            Scaled(server, account, "called", dimension="sagemaker:variant:DesiredProvisionedConcurrency"),
            "desired provisioned concurrency",
        ),
    ):
        scaled.register(1, 2)
        scaled.register(2, 2)
        wait_until(scaled.activities)
        assert scaled.finished() == [
            (
                f"Setting {word} to 2.",
                "minimum capacity was set to 2 and maximum capacity was set to 2",
                f"Successfully set {word} to 2. Change successfully fulfilled by sagemaker.",
            )
        ]
    assert component(account) == ("InService", 2)
    (variant,) = account.sagemaker.describe_endpoint(EndpointName="called")["ProductionVariants"]
    assert variant["CurrentServerlessConfig"]["ProvisionedConcurrency"] == 2


def component(account: Account) -> tuple[str, int]:
    described = account.sagemaker.describe_inference_component(InferenceComponentName="part")
    return described["InferenceComponentStatus"], described["RuntimeConfig"]["CurrentCopyCount"]


def test_what_instances_use_of_their_hosts(server: Clary, tracked: Scaled) -> None:
    cloudwatch = server.client("cloudwatch")
    dimensions = [{"Name": "EndpointName", "Value": "tracked"}, {"Name": "VariantName", "Value": "v-m"}]
    wanted = {"Namespace": "/aws/sagemaker/Endpoints", "Dimensions": dimensions}

    def names() -> set[str]:
        return {metric["MetricName"] for metric in cloudwatch.list_metrics(**wanted)["Metrics"]}

    wait_until(lambda: names() >= {"CPUUtilization", "MemoryUtilization", "DiskUtilization"})
    now = datetime.now(UTC)
    points = cloudwatch.get_metric_statistics(
        **wanted,
        MetricName="MemoryUtilization",
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=1),
        Period=3600,
        Statistics=["Maximum"],
    )["Datapoints"]
    assert all(0 < point["Maximum"] <= 100 for point in points)
    assert points
