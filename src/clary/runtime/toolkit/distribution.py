"""Which launcher a job's hyperparameters ask for. The SDK's `distribution={…}` becomes these switches.

What only some jobs need is imported where they need it: the toolkit's start is part of every job's.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from clary.runtime.toolkit import failures, launch
from clary.runtime.toolkit.job import Job

TORCHRUN = ("sagemaker_torch_distributed_enabled", "sagemaker_pytorch_ddp_enabled")
DATA_PARALLEL = "sagemaker_distributed_dataparallel_enabled"
"""What SDK v2 makes of `pytorchddp` too, which needs no library of AWS's: PyTorch's own does as well."""
REFUSED = {
    "sagemaker_pytorch_xla_multi_worker_enabled": "pytorchxla",
    "mp_parameters": "smdistributed.modelparallel",
}
"""Libraries of AWS's that only their images have: their switches, and what the SDK calls them."""


@contextmanager
def begun(here: Job, environ: Mapping[str, str], own: dict[str, str]) -> Iterator[list[str]]:
    """What this host is to run, with all beside it that it needs; nothing where it only helps the first host, and has.

    Adds to `own`, the variables of the script.
    """
    _refuse(here, environ)
    if is_wanted(here, "sagemaker_mpi_enabled"):
        from clary.runtime.toolkit import mpi

        with mpi.begun(here, environ, own) as command:
            yield command
    elif any(is_wanted(here, switch) for switch in (*TORCHRUN, DATA_PARALLEL)):
        yield launch.torchrun(here, environ)
    elif len(here.hosts) > 1 and is_wanted(here, "sagemaker_parameter_server_enabled"):
        from clary.runtime.toolkit import tensorflow

        with tensorflow.beside_parameter_server(here, environ, own):
            yield launch.program(here)
    else:
        if is_wanted(here, "sagemaker_multi_worker_mirrored_strategy_enabled") and len(here.hosts) > 1:
            from clary.runtime.toolkit import tensorflow

            own["TF_CONFIG"] = tensorflow.mirrored(here)
        yield launch.program(here)


def _refuse(here: Job, environ: Mapping[str, str]) -> None:
    wanted = [name for switch, name in REFUSED.items() if here.hyperparameters.get(switch) or is_wanted(here, switch)]
    if is_wanted(here, DATA_PARALLEL):
        import shutil

        if shutil.which("torchrun", path=environ.get("PATH")) is None:
            wanted.append("smdistributed.dataparallel")
    for name in wanted:
        raise failures.DistributionError(f"{name} is not available here: its library comes with AWS's images only.")


def is_wanted(here: Job, switch: str) -> bool:
    return here.reserved.get(switch) in (True, "true", "True", 1)
