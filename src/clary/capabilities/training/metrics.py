"""Metrics that the shims found: the logs' into CloudWatch and the last of each into `FinalMetricDataList`; the hosts'
into CloudWatch."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from clary.capabilities.jobs import measures
from clary.companions.cloudwatch.store import MetricStore
from clary.resources.records import Record

NAMESPACE = "/aws/sagemaker/TrainingJobs"
FILE = "metrics.jsonl"
MOST_FINAL = 40


def has_unread(record: Record, folders: Mapping[str, Path]) -> bool:
    read = record.state.get("MetricsRead", {})
    return measures.has_unread(record, folders) or any(
        measures.block(folder / FILE, read.get(host, 0)) for host, folder in folders.items()
    )


def take_in(record: Record, folders: Mapping[str, Path], store: MetricStore) -> dict[str, Any]:
    """Put what is new into the store; returns the state that says so.

    A crash between the two repeats the last values with their own times, which changes no average but their weight.
    """
    read = dict(record.state.get("MetricsRead", {}))
    fresh: list[dict[str, Any]] = []
    for host, folder in folders.items():
        lines, read[host] = measures.lines(folder / FILE, read.get(host, 0))
        fresh += lines
    dimensions = {"TrainingJobName": record.name}
    store.put(
        record.account,
        record.region,
        NAMESPACE,
        [(entry["name"], dimensions, entry["value"], entry["time"]) for entry in fresh],
    )
    return {
        **measures.take_in(record, folders, NAMESPACE, store),
        "MetricsRead": read,
        "FinalMetricDataList": final(record.state.get("FinalMetricDataList", []), fresh),
    }


def final(known: Iterable[Mapping[str, Any]], fresh: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The last value of each metric, in the order in which they first appeared."""
    found = {entry["MetricName"]: dict(entry) for entry in known}
    for entry in sorted(fresh, key=lambda entry: float(entry["time"])):
        found[entry["name"]] = {"MetricName": entry["name"], "Value": entry["value"], "Timestamp": entry["time"]}
    return list(found.values())[:MOST_FINAL]
