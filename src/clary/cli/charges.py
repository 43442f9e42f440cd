"""What jobs and endpoints would be charged: read from Describe, priced by the Pricing API. `clary cost` shows it.

A job's instances are charged for its billable seconds, so far if it runs; an endpoint's from its creation until now, in
the number it has now; a serverless variant for the time its model took, as CloudWatch has it. What was deleted is gone
from the API, and from here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from botocore.exceptions import ClientError

from clary.cli.api import every
from clary.cli.prices import Prices

Described = dict[str, Any]

DAY = 86_400


@dataclass(frozen=True, slots=True)
class Charge:
    """`count` instances of one type, each for `seconds` that end at `end`. `usd_hour` is `None` where unknown."""

    what: str
    name: str
    arn: str
    instance_type: str
    count: int
    seconds: float
    end: datetime
    usd_hour: float | None

    @property
    def hours(self) -> float:
        """Of all instances."""
        return self.seconds * self.count / 3600

    @property
    def usd(self) -> float | None:
        return None if self.usd_hour is None else self.hours * self.usd_hour

    def days(self) -> Iterator[tuple[str, float]]:
        """Each day in UTC that it touches, and the part of it that falls there; the parts add up to one."""
        begin = self.end - timedelta(seconds=self.seconds)
        if begin >= self.end:
            yield _day(self.end), 1.0
            return
        while begin < self.end:
            midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            until = min(midnight, self.end)
            yield _day(begin), (until - begin) / timedelta(seconds=self.seconds)
            begin = until


def charges(sagemaker: Any, cloudwatch: Any, prices: Prices, now: datetime) -> list[Charge]:
    """Endpoints, then jobs, newest first."""
    return [
        *_endpoints(sagemaker, cloudwatch, prices, now),
        *_training(sagemaker, prices, now),
        *_processing(sagemaker, prices, now),
        *_transform(sagemaker, prices, now),
    ]


def _training(sagemaker: Any, prices: Prices, now: datetime) -> Iterator[Charge]:
    newest = {"SortBy": "CreationTime", "SortOrder": "Descending"}
    for entry in every(sagemaker, "list_training_jobs", "TrainingJobSummaries", **newest):
        job = _described(sagemaker.describe_training_job, TrainingJobName=entry["TrainingJobName"])
        if job is None:
            continue
        end = job.get("TrainingEndTime", now)
        seconds = job.get("BillableTimeInSeconds", _seconds(job.get("TrainingStartTime"), end))
        config = job["ResourceConfig"]
        for group in config.get("InstanceGroups") or [config]:
            kind, count = group["InstanceType"], group["InstanceCount"]
            price = prices.of(kind, "training")
            yield Charge(
                "training job", job["TrainingJobName"], job["TrainingJobArn"], kind, count, seconds, end, price
            )


def _processing(sagemaker: Any, prices: Prices, now: datetime) -> Iterator[Charge]:
    newest = {"SortBy": "CreationTime", "SortOrder": "Descending"}
    for entry in every(sagemaker, "list_processing_jobs", "ProcessingJobSummaries", **newest):
        name = entry["ProcessingJobName"]
        job = _described(sagemaker.describe_processing_job, ProcessingJobName=name)
        if job is None:
            continue
        end = job.get("ProcessingEndTime", now)
        seconds = _seconds(job.get("ProcessingStartTime"), end)
        cluster = job["ProcessingResources"]["ClusterConfig"]
        kind = cluster.get("SelectedInstanceType") or cluster.get("InstanceType", "")
        count = cluster.get("SelectedInstanceCount") or cluster.get("InstanceCount", 0)
        price = prices.of(kind, "processing")
        yield Charge("processing job", name, job["ProcessingJobArn"], kind, count, seconds, end, price)


def _transform(sagemaker: Any, prices: Prices, now: datetime) -> Iterator[Charge]:
    newest = {"SortBy": "CreationTime", "SortOrder": "Descending"}
    for entry in every(sagemaker, "list_transform_jobs", "TransformJobSummaries", **newest):
        job = _described(sagemaker.describe_transform_job, TransformJobName=entry["TransformJobName"])
        if job is None:
            continue
        end = job.get("TransformEndTime", now)
        seconds = _seconds(job.get("TransformStartTime"), end)
        kind, count = job["TransformResources"]["InstanceType"], job["TransformResources"]["InstanceCount"]
        price = prices.of(kind, "transform")
        yield Charge("transform job", job["TransformJobName"], job["TransformJobArn"], kind, count, seconds, end, price)


def _endpoints(sagemaker: Any, cloudwatch: Any, prices: Prices, now: datetime) -> Iterator[Charge]:
    for entry in every(sagemaker, "list_endpoints", "Endpoints"):
        endpoint = _described(sagemaker.describe_endpoint, EndpointName=entry["EndpointName"])
        if endpoint is None or endpoint["EndpointStatus"] == "Failed":
            continue
        kinds = _variant_types(sagemaker, endpoint["EndpointConfigName"])
        # AWS lists asynchronous inference apart from hosting, and no source here has its prices.
        what, usage = ("asynchronous endpoint", "") if "AsyncInferenceConfig" in endpoint else ("endpoint", "hosting")
        for variant in endpoint.get("ProductionVariants", []) + endpoint.get("ShadowProductionVariants", []):
            if "CurrentServerlessConfig" in variant:
                yield _serverless(cloudwatch, endpoint, variant, now)
                continue
            kind, count = kinds.get(variant["VariantName"], "unknown"), variant["CurrentInstanceCount"]
            seconds, price = (now - endpoint["CreationTime"]).total_seconds(), prices.of(kind, usage)
            yield Charge(what, _name(endpoint, variant), endpoint["EndpointArn"], kind, count, seconds, now, price)


def _serverless(cloudwatch: Any, endpoint: Described, variant: Described, now: datetime) -> Charge:
    """By the time its calls took; AWS's price for that is by memory, and in no source here."""
    names = (("EndpointName", endpoint["EndpointName"]), ("VariantName", variant["VariantName"]))
    found = cloudwatch.get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName="ModelLatency",
        Dimensions=[{"Name": name, "Value": value} for name, value in names],
        StartTime=endpoint["CreationTime"].replace(hour=0, minute=0, second=0, microsecond=0),
        EndTime=now + timedelta(days=1),
        Period=DAY,
        Statistics=["Sum"],
    )
    seconds = sum(point["Sum"] for point in found["Datapoints"]) / 1e6
    kind = f"serverless, {variant['CurrentServerlessConfig']['MemorySizeInMB']} MB"
    return Charge("serverless endpoint", _name(endpoint, variant), endpoint["EndpointArn"], kind, 1, seconds, now, None)


def _name(endpoint: Described, variant: Described) -> str:
    return f"{endpoint['EndpointName']}/{variant['VariantName']}"


def _variant_types(sagemaker: Any, config: str) -> dict[str, str]:
    """None where the configuration was deleted: Describe of the endpoint does not say its types."""
    found = _described(sagemaker.describe_endpoint_config, EndpointConfigName=config)
    variants = found["ProductionVariants"] + found.get("ShadowProductionVariants", []) if found else []
    return {variant["VariantName"]: variant["InstanceType"] for variant in variants if "InstanceType" in variant}


def _described(call: Any, **name: str) -> Described | None:
    """`None` for what was deleted since it was listed."""
    try:
        found: Described = call(**name)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ValidationException", "ResourceNotFound"):
            return None
        raise
    return found


def _seconds(begin: datetime | None, end: datetime) -> float:
    """Whole ones, as AWS bills; none for what has not begun."""
    return 0.0 if begin is None else float(max(1, ceil((end - begin).total_seconds())))


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).date().isoformat()
