"""One instance's training run: read the job, get the code, start it, report how it ended.

Returns the exit code of the container: 0, or 1 for anything the user can mend (as AWS's toolkit does).
"""

import os
import sys
from collections.abc import Mapping

from clary.runtime.toolkit import distribution, failures, job, launch, process, source, variables


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Run the job that lies under `SAGEMAKER_BASE_DIR` (default `/opt/ml`)."""
    here = job.read(environ)
    here.make_folders()
    try:
        if not here.program:
            return process.through(_algorithm(environ), environ)
        run(here, environ)
    except failures.ToolkitError as failure:
        here.write_failure(str(failure))
        print(failure, file=sys.stderr, flush=True)
        return failure.exit_code
    here.write_success()
    return 0


def _algorithm(environ: Mapping[str, str]) -> list[str]:
    """The image's own, which writes its failure itself."""
    place = environ.get("SAGEMAKER_TRAINING_MODULE", "")
    if not place:
        raise failures.ImportModuleError(
            "No training program: set the hyperparameter sagemaker_program, or ContainerEntrypoint."
        )
    return launch.algorithm(place)


def run(here: job.Job, environ: Mapping[str, str]) -> None:
    """Script mode: the user's program."""
    source.fetch(here, environ)
    source.install(here, environ)
    launch.wait_for_hosts(here.hosts)
    own = variables.script(here, environ)
    with distribution.begun(here, environ, own) as command:
        if command:
            print(f"Invoking script with the following command:\n\n{launch.shown(command)}\n", flush=True)
            process.run(command, cwd=here.code, environ=dict(environ) | own)
