"""What several hosts of a job are told."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.runtime.toolkit.place import RESOURCES, Place

from clary.runtime.toolkit import distribution, mpi, tensorflow
from clary.runtime.toolkit.job import Job

SHOW = "import os; print('TF', os.environ.get('TF_CONFIG'))"


def here(place: Place, host: str, hosts: int = 3, **hyperparameters: str) -> Job:
    everyone = [f"algo-{number + 1}" for number in range(hosts)]
    place.configure("resourceconfig", RESOURCES | {"hosts": everyone, "current_host": host})
    place.configure("hyperparameters", {"sagemaker_program": "train.py", **hyperparameters})
    return Job(place.base, {})


SERVERS = {
    "master": ["algo-1:2222"],
    "worker": ["algo-2:2222", "algo-3:2222"],
    "ps": ["algo-1:2223", "algo-2:2223", "algo-3:2223"],
}


@pytest.mark.parametrize(
    ("host", "task"), [("algo-1", {"type": "master", "index": 0}), ("algo-3", {"type": "worker", "index": 1})]
)
def test_beside_parameter_servers(place: Place, host: str, task: dict[str, Any]) -> None:
    job = here(place, host)
    assert json.loads(tensorflow.worker(job)) == {"cluster": SERVERS, "task": task, "environment": "cloud"}
    server = {"type": "ps", "index": int(host[-1]) - 1}
    assert json.loads(tensorflow.server(job)) == {"cluster": SERVERS, "task": server, "environment": "cloud"}


def test_mirrored_workers(place: Place) -> None:
    assert json.loads(tensorflow.mirrored(here(place, "algo-2"))) == {
        "cluster": {"worker": ["algo-1:8890", "algo-2:8890", "algo-3:8890"]},
        "task": {"type": "worker", "index": 1},
        "environment": "cloud",
    }


def test_one_host_needs_no_configuration(place: Place) -> None:
    place.code("train.py", SHOW)
    for switch in ("sagemaker_parameter_server_enabled", "sagemaker_multi_worker_mirrored_strategy_enabled"):
        done = place.train(sagemaker_program="train.py", **{switch: "true"})
        assert "TF None" in done.stdout, done.stderr


def test_mpirun_is_told_hosts_ranks_variables_and_options(place: Place) -> None:
    (place.base / "code").mkdir()
    job = here(
        place,
        "algo-1",
        2,
        lr="0.1",
        sagemaker_mpi_num_of_processes_per_host="4",
        sagemaker_mpi_custom_mpi_options='"-x NCCL_DEBUG=INFO --bind-to none"',
    )
    words = mpi.command(job, {"PATH": "/bin"}, {"SM_HOSTS": "[]"})
    assert words == [
        *(
            "mpirun",
            "--host",
            "algo-1:4,algo-2:4",
            "-np",
            "8",
            "--allow-run-as-root",
            "--tag-output",
            "--oversubscribe",
        ),
        *("-mca", "btl_tcp_if_include", "eth0", "-mca", "oob_tcp_if_include", "eth0"),
        *("-mca", "pml", "ob1", "-mca", "btl", "^openib"),
        *("-x", "NCCL_SOCKET_IFNAME=eth0", "-x", "PATH", "-x", "SM_HOSTS"),
        *("-x", "NCCL_DEBUG=INFO", "--bind-to", "none"),
        *(sys.executable, "-m", "mpi4py", "train.py", "--lr", "0.1"),
    ]


def test_an_image_without_mpirun_says_so(place: Place) -> None:
    place.code("train.py", "")
    done = place.train({"PATH": "/nonexistent"}, sagemaker_program="train.py", sagemaker_mpi_enabled="true")
    assert (done.returncode, place.failure) == (1, "DistributionError: The image has no mpirun.")


@pytest.mark.parametrize(
    "switch",
    [
        "sagemaker_torch_distributed_enabled",
        "sagemaker_pytorch_ddp_enabled",
        "sagemaker_distributed_dataparallel_enabled",
    ],
)
def test_torchrun_starts_what_pytorch_distributes(place: Place, tmp_path: Path, switch: str) -> None:
    (tmp_path / "torchrun").touch(0o755)
    job = here(place, "algo-2", 2, lr="0.1", **{switch: "true"})
    with distribution.begun(job, {"PATH": str(tmp_path), "NVIDIA_VISIBLE_DEVICES": "0,1"}, {}) as words:
        assert words == [
            *(sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc_per_node=2", "--master_port=7777"),
            *("--master_addr=algo-1", "--node_rank=1", "train.py", "--lr", "0.1"),
        ]


def test_what_keeps_the_start_quick_stays_unimported() -> None:
    program = "import sys; import clary.runtime.toolkit.main; print({'subprocess', 'socket', 'ssl'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {_package()!r}); {program}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "set()\n"


def _package() -> str:
    return str(Path(mpi.__file__).parents[3])
