"""What calls become as CloudWatch's samples, and what hosts measured."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.databases import empty_url, migrated, postgres, store_url

from clary.capabilities.endpoints import host_metrics
from clary.capabilities.endpoints.fleet import Fleet, Fleets, Instance, Variant
from clary.capabilities.endpoints.metering import Call, Meter, failures
from clary.companions.cloudwatch.store import Metric, MetricStore, metric_id
from clary.resources.records import Record
from clary.resources.store import Store
from clary.runtime.workload import Limits
from clary.serving.reply import Broken
from clary.settings import Settings
from clary.wire.context import Parts
from clary.wire.errors import AwsError

__all__ = ["empty_url", "migrated", "postgres", "store_url"]

ACCOUNT, REGION = "1", "r"
THROTTLED = AwsError("Rate exceeded", code="ThrottlingException", status=429)
NO_INSTANCE = AwsError("no instance is ready", code="ModelNotReadyException", status=429)
OF_VARIANT = (("EndpointName", "e"), ("VariantName", "v"))


def total(metrics: MetricStore, namespace: str, name: str) -> tuple[float, float]:
    """Count and sum of all samples."""
    series = metric_id(ACCOUNT, REGION, Metric(namespace, name, OF_VARIANT))
    cells = metrics.cells(series, 0, 10**15, 10**15, None, units=False)
    return sum(cell.count for cell in cells), sum(cell.total for cell in cells)


def test_calls_for_each_instance(store_url: str) -> None:
    metrics = MetricStore(Store(store_url))

    async def calls() -> None:
        meter = Meter(metrics)
        for instances in (2, 2, 4):
            meter.answered(Call(ACCOUNT, REGION, "e", "v"), instances, 200, 0.01, 0.001)
        for error in (NO_INSTANCE, THROTTLED):
            meter.lost(Call(ACCOUNT, REGION, "e", "v"), 0, error)
        await meter.flush()

    asyncio.run(calls())
    assert total(metrics, "AWS/SageMaker", "Invocations") == (5, 5)
    assert total(metrics, "AWS/SageMaker", "InvocationsPerInstance") == (5, 0.5 + 0.5 + 0.25 + 1 + 1)
    assert total(metrics, "AWS/SageMaker", "Invocation4XXErrors") == (1, 1)
    assert total(metrics, "AWS/SageMaker", "Invocation5XXErrors") == (1, 1)


@pytest.mark.parametrize(
    ("error", "counted"),
    [
        (THROTTLED, ("Invocation4XXErrors",)),
        (AwsError("TargetModel is required", code="ValidationError", status=400), ("Invocation4XXErrors",)),
        (NO_INSTANCE, ("Invocation5XXErrors",)),
        (AwsError("timed out", code="ModelError", status=424), ("Invocation5XXErrors", "InvocationModelErrors")),
        (AwsError("broken", code="ServiceUnavailable", status=503), ("Invocation5XXErrors", "InvocationModelErrors")),
        (Broken("a shadow's"), ("Invocation5XXErrors", "InvocationModelErrors")),
    ],
)
def test_what_calls_without_an_answer_count_as(error: Exception, counted: tuple[str, ...]) -> None:
    assert failures(error) == counted


def test_calls_at_once(store_url: str) -> None:
    """Of two instances, as one of three server processes sees them; a call that outlives the interval is in both."""
    metrics = MetricStore(Store(store_url))

    async def calls() -> None:
        meter = Meter(metrics, processes=3)
        for running in (0, 1, 2):
            meter.begins(Call(ACCOUNT, REGION, "e", "v"), 2, lambda running=running: running)
        await meter.flush()
        meter.begins(Call(ACCOUNT, REGION, "e", "v"), 2, lambda: 0)
        await meter.flush()

    asyncio.run(calls())
    assert total(metrics, "AWS/SageMaker", "ConcurrentRequestsPerModel") == (2, 3 * 3 / 2 + 3 * 2 / 2)


def measured(folder: Path, *entries: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "host.jsonl").open("a") as file:
        file.writelines(json.dumps(entry) + "\n" for entry in entries)


def test_containers_of_an_instance_together_and_each_line_once(store_url: str, tmp_path: Path) -> None:
    metrics = MetricStore(Store(store_url))
    instance = Instance(workload="w", since=0.0, ready=True, containers=2)
    host = Instance(workload="h", since=0.0, ready=True, containers=0)
    variant = Variant(name="v", weight=1, count=2, production={}, model={}, instances=(host, instance))
    fleets = Fleets(serving=Fleet(config="c", generation=1, variants=(variant,)))
    record = Record(id="x", account=ACCOUNT, region=REGION, kind="Endpoint", name="e", created=0, modified=0)
    parts = Parts(Settings(home=tmp_path), metrics)
    first, second = (tmp_path / "jobs" / name / "algo-1" for name in instance.workloads)
    host_metrics.take_in(record, fleets, parts)

    now = {"time": 1e9, "CPUUtilization": 50.0, "DiskUtilization": 40.0}
    measured(first, now)
    measured(second, now | {"CPUUtilization": 9.0}, now | {"CPUUtilization": 25.0, "DiskUtilization": 41.0})
    host_metrics.take_in(record, fleets, parts)
    host_metrics.take_in(record, fleets, parts)
    seen = {name: total(metrics, "/aws/sagemaker/Endpoints", name) for name in ("CPUUtilization", "DiskUtilization")}
    assert seen == {"CPUUtilization": (1, 75.0), "DiskUtilization": (1, 41.0)}
    measured(first, now)
    host_metrics.take_in(record, fleets, parts)
    assert total(metrics, "/aws/sagemaker/Endpoints", "CPUUtilization") == (2, pytest.approx(150.0))


def test_a_file_that_has_grown_long_is_cut_and_read_on(store_url: str, tmp_path: Path) -> None:
    metrics = MetricStore(Store(store_url))
    instance = Instance(workload="w", since=0.0, ready=True, containers=2)
    variant = Variant(name="v", weight=1, count=1, production={}, model={}, instances=(instance,))
    fleets = Fleets(serving=Fleet(config="c", generation=1, variants=(variant,)))
    record = Record(id="x", account=ACCOUNT, region=REGION, kind="Endpoint", name="e", created=0, modified=0)
    parts = Parts(Settings(home=tmp_path), metrics)
    first, second = (tmp_path / "jobs" / name / "algo-1" for name in instance.workloads)
    many = [{"time": 1e9 + minute, "CPUUtilization": 1.0} for minute in range(2000)]
    measured(first, *many)
    measured(second, *many)
    host_metrics.take_in(record, fleets, parts)
    assert total(metrics, "/aws/sagemaker/Endpoints", "CPUUtilization") == (2000, pytest.approx(4000.0))
    files = [folder / "host.jsonl" for folder in (first, second)]
    assert [file.read_text() for file in files] == [json.dumps(many[-1]) + "\n"] * 2

    measured(first, many[0])
    host_metrics.take_in(record, fleets, parts)
    host_metrics.take_in(record, fleets, parts)
    assert total(metrics, "/aws/sagemaker/Endpoints", "CPUUtilization")[0] == 2001
    # As after a kill between the cut and its note: what is there is read once more, and then no more.
    (tmp_path / "jobs" / "w" / "host.read").write_text("100000")
    host_metrics.take_in(record, fleets, parts)
    host_metrics.take_in(record, fleets, parts)
    assert total(metrics, "/aws/sagemaker/Endpoints", "CPUUtilization")[0] == 2003


def test_copies_are_measured_by_what_they_may_use() -> None:
    entry = {
        "time": 1.0,
        "CPUUtilization": 50.0,
        "MemoryUtilization": 20.0,
        "DiskUtilization": 5.0,
        "GPUUtilization": 150.0,
    }
    assert host_metrics.normalized(entry, Limits(cpus=0.5, gpus=2)) == {
        "time": 1.0,
        "CPUUtilizationNormalized": 100.0,
        "MemoryUtilizationNormalized": 20.0,
        "GPUUtilizationNormalized": 75.0,
    }
