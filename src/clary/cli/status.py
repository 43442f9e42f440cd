"""`clary status`: what this Clary runs, newest first."""

from datetime import UTC, datetime
from typing import Any

from clary.cli.api import client, every
from clary.cli.screen import show
from clary.settings import Settings

NEWEST = 50


def status(settings: Settings, *, as_json: bool) -> None:
    """Endpoints, then the newest jobs of each kind. Raises `NotRunning`."""
    sagemaker = client(settings, "sagemaker")
    endpoints = every(sagemaker, "list_endpoints", "Endpoints")
    newest = {"MaxResults": NEWEST, "SortBy": "CreationTime", "SortOrder": "Descending"}
    training, processing = sagemaker.list_training_jobs(**newest), sagemaker.list_processing_jobs(**newest)
    transform = sagemaker.list_transform_jobs(**newest)
    rows = [_row("endpoint", entry, "Endpoint") for entry in endpoints]
    rows += [_row("training job", entry, "TrainingJob") for entry in training["TrainingJobSummaries"]]
    rows += [_row("processing job", entry, "ProcessingJob") for entry in processing["ProcessingJobSummaries"]]
    rows += [_row("transform job", entry, "TransformJob") for entry in transform["TransformJobSummaries"]]
    show(rows, as_json=as_json, title=f"{settings.region}, account {settings.account}")


def _row(what: str, entry: dict[str, Any], noun: str) -> dict[str, Any]:
    begun: datetime = entry["CreationTime"]
    ends = (entry.get(f"{kind}EndTime") for kind in ("Training", "Processing", "Transform"))
    ended: datetime = next(filter(None, ends), datetime.now(UTC))
    return {
        "what": what,
        "name": entry[f"{noun}Name"],
        "status": entry[f"{noun}Status"],
        "created": begun.astimezone().isoformat(" ", "seconds"),
        "seconds": round((ended - begun).total_seconds()),
    }
