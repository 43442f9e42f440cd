"""`clary shell JOB`: a shell in the sandbox of one of a training job's instances, beside the user's process.

It needs no permission but this machine's: whoever may reach into the home's processes may do so. A failed job can be
entered for as long as the setting `freeze_failed_seconds` keeps its files.
"""

from clary.cli import jobs
from clary.cli.failures import CliFailure
from clary.runtime import entering
from clary.settings import Settings

SHELL = ["/bin/bash"]


def shell(settings: Settings, *, name: str, instance: str, line: str) -> int:
    """Raises `CliFailure` for a job that has no sandbox here."""
    if settings.backend == "ray":
        raise CliFailure("The instances of jobs run on the nodes of the Ray cluster and cannot be entered from here")
    job = jobs.folder(settings, jobs.describe(settings, name)["TrainingJobArn"])
    if instance not in jobs.hosts(job):
        raise CliFailure(f"{name} has no instance {instance}, but {', '.join(jobs.hosts(job))}")
    try:
        return entering.enter(job / instance, ["/bin/sh", "-c", line] if line else SHELL)
    except entering.CannotEnter as error:
        raise CliFailure(f"{name} cannot be entered: {error}") from error
