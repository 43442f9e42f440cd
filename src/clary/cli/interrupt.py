"""`clary interrupt JOB`: take the capacity of a running spot training job away, as AWS does when it needs it."""

from clary.capabilities.training import requests
from clary.cli import jobs
from clary.cli.failures import CliFailure
from clary.cli.screen import note
from clary.resources.wake import Wake
from clary.settings import Settings


def interrupt(settings: Settings, *, name: str) -> None:
    """Raises `CliFailure` for a job that is not a spot job, or runs no user code."""
    found = jobs.describe(settings, name)
    if not found.get("EnableManagedSpotTraining"):
        raise CliFailure(f"{name} is not a managed spot training job (EnableManagedSpotTraining)")
    if found["SecondaryStatus"] != "Training":
        raise CliFailure(f"{name} is not Training but {found['SecondaryStatus']}")
    job = jobs.folder(settings, found["TrainingJobArn"])
    requests.interrupt(job)
    Wake(settings.home).poke(job.name)
    note(f"{name} is interrupted: two minutes to save its work, then it starts again from its checkpoints")
