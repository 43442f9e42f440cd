"""Running jobs as they lie in the home, for commands that reach into this machine: `interrupt` and `shell`."""

import json
from pathlib import Path

import msgspec

from clary.cli.api import client
from clary.cli.failures import CliFailure
from clary.settings import Settings


class Told(msgspec.Struct):
    """What of a `Workload` is read."""

    environment: dict[str, str]
    instances: list[dict[str, object]]


def describe(settings: Settings, name: str) -> dict[str, object]:
    """DescribeTrainingJob's answer. Raises `CliFailure`, `NotRunning`."""
    sagemaker = client(settings, "sagemaker")
    try:
        found: dict[str, object] = sagemaker.describe_training_job(TrainingJobName=name)
    except sagemaker.exceptions.ClientError as error:
        raise CliFailure(f"There is no training job {name!r}: {error}") from error
    return found


def folder(settings: Settings, arn: object) -> Path:
    """Where the job's instances lie on this machine. Raises `CliFailure`."""
    for file in (settings.home / "jobs").glob("*/workload.json"):
        try:
            told = msgspec.json.decode(file.read_bytes(), type=Told)
        except (FileNotFoundError, msgspec.DecodeError):
            continue
        if told.environment.get("TRAINING_JOB_ARN") == arn:
            return file.parent
    raise CliFailure(f"{arn} has no instances on this machine now")


def hosts(job: Path) -> list[str]:
    """Its instances, in order."""
    return [str(each["host"]) for each in json.loads((job / "workload.json").read_bytes())["instances"]]
