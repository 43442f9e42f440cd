"""`clary logs NAME`: the log events of a job or an endpoint, oldest first."""

import sys
import time
from typing import Any

from clary.cli.api import client
from clary.cli.failures import CliFailure
from clary.settings import Settings

JOBS = (
    "/aws/sagemaker/TrainingJobs",
    "/aws/sagemaker/ProcessingJobs",
    "/aws/sagemaker/TransformJobs",
    "/aws/sagemaker/InferenceRecommendationsJobs",
)
FOLLOW_SECONDS = 1.0


def logs(settings: Settings, *, name: str, follow: bool) -> None:
    """A job's streams begin with its name and a slash; an endpoint has a group of its own."""
    reader = client(settings, "logs")
    found = _sources(reader, name)
    if not found:
        raise CliFailure(f"No log of a job or endpoint {name!r} yet")
    seen: dict[str, str] = {}
    while True:
        for group, stream in found:
            _print_new(reader, group, stream, seen, several=len(found) > 1)
        if not follow:
            return
        time.sleep(FOLLOW_SECONDS)
        found = _sources(reader, name)


def _sources(reader: Any, name: str) -> list[tuple[str, str]]:
    places: tuple[tuple[str, dict[str, str]], ...] = (
        *((group, {"logStreamNamePrefix": f"{name}/"}) for group in JOBS),
        (f"/aws/sagemaker/Endpoints/{name}", {}),
    )
    return [(group, stream) for group, prefix in places for stream in _streams(reader, group, prefix)]


def _streams(reader: Any, group: str, prefix: dict[str, str]) -> list[str]:
    pages = reader.get_paginator("describe_log_streams").paginate(logGroupName=group, **prefix)
    try:
        return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]
    except reader.exceptions.ResourceNotFoundException:
        return []


def _print_new(reader: Any, group: str, stream: str, seen: dict[str, str], *, several: bool) -> None:
    """Until the token repeats, which is how the API says that there is no more for now."""
    label = f"{stream.rpartition('/')[2]}: " if several else ""
    while True:
        token = {"nextToken": seen[stream]} if stream in seen else {}
        page = reader.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, **token)
        for event in page["events"]:
            print(f"{label}{event['message']}")
        sys.stdout.flush()
        if page["nextForwardToken"] == seen.get(stream):
            return
        seen[stream] = page["nextForwardToken"]
