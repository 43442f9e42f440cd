"""`clary stop`: ask a running `clary up` to end, and wait until it has."""

import os
import signal
import time
from collections.abc import Callable

from clary.cli import running
from clary.cli.api import client, every
from clary.cli.failures import CliFailure
from clary.cli.screen import note
from clary.settings import Settings

STOP_SECONDS = 30.0
JOBS_SECONDS = 300.0
"""Longer than the two minutes a job has after SIGTERM, plus the upload of its model."""


def stop(settings: Settings, *, jobs: bool) -> None:
    """Raises `NotRunning`."""
    found = running.need(settings)
    if jobs:
        stop_jobs(settings)
    os.kill(found.pid, signal.SIGTERM)
    _wait(STOP_SECONDS, lambda: running.find(settings) is None, f"process {found.pid} did not end")
    note("Stopped. Endpoints and their data are kept; `clary up` brings them back")


def stop_jobs(settings: Settings) -> None:
    """Stop every training and processing job as a client would, and wait until all are final."""
    sagemaker = client(settings, "sagemaker")
    for job in every(sagemaker, "list_training_jobs", "TrainingJobSummaries", StatusEquals="InProgress"):
        note(f"Stopping {job['TrainingJobName']}")
        sagemaker.stop_training_job(TrainingJobName=job["TrainingJobName"])
    for job in every(sagemaker, "list_processing_jobs", "ProcessingJobSummaries", StatusEquals="InProgress"):
        note(f"Stopping {job['ProcessingJobName']}")
        sagemaker.stop_processing_job(ProcessingJobName=job["ProcessingJobName"])

    def none_left() -> bool:
        return not any(
            sagemaker.list_training_jobs(StatusEquals=status)["TrainingJobSummaries"]
            or sagemaker.list_processing_jobs(StatusEquals=status)["ProcessingJobSummaries"]
            for status in ("InProgress", "Stopping")
        )

    _wait(JOBS_SECONDS, none_left, "some jobs are still stopping")


def _wait(seconds: float, done: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise CliFailure(f"After {seconds:g} s {otherwise}")
        time.sleep(0.1)
