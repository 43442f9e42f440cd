"""Laying a job's data out when that takes long: what is not on this machine is fetched beside the reconciler."""

from collections.abc import Callable

from clary.capabilities.jobs.uploads import Uploads
from clary.objects import Objects
from clary.runtime.backend import Backend


def is_laid_out(
    objects: Objects,
    backend: Backend | None,
    downloads: Uploads,
    job: str,
    stage: Callable[[], None],
    tell: Callable[[], None],
) -> bool:
    """Whether `stage` takes no time now, or was done; other jobs are to be started meanwhile.

    `backend`: whose hosts take the job's data, if they do. `tell` is called when it is time to ask again. Raises what
    `stage` raises.
    """
    if objects.origin is None or (backend is not None and backend.fetches):
        return True
    return downloads.done(job, stage, tell)
