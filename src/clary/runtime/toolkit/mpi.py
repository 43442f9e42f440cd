"""`mpirun` on the first host; the others let it in by ssh, and wait until it says that all is over."""

import contextlib
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from clary.runtime.toolkit import failures, launch
from clary.runtime.toolkit.job import Job

WORKER_SECONDS = 3600.0
LOOK_SECONDS = 0.2
SSH_PORT = 22
PASSED = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH")
"""Variables for every process, beside the script's own."""


@contextmanager
def begun(here: Job, environ: Mapping[str, str], own: Mapping[str, str]) -> Iterator[list[str]]:
    """The command for the first host; nothing for the others, once it has ended there."""
    if shutil.which("mpirun", path=environ.get("PATH")) is None:
        raise failures.DistributionError("The image has no mpirun.")
    done = _done(here)
    with _door(here, environ) as door:
        if here.host != here.hosts[0]:
            _wait(done, door)
            yield []
            return
        _wait_for_workers(here.hosts[1:])
        try:
            yield command(here, environ, own)
        finally:
            for worker in here.hosts[1:]:
                subprocess.run(["ssh", worker, f"touch {done}"], env=dict(environ), check=False)


def command(here: Job, environ: Mapping[str, str], own: Mapping[str, str]) -> list[str]:
    """With the options of AWS's toolkit that this Open MPI still knows."""
    each = int(here.reserved.get("sagemaker_mpi_num_of_processes_per_host") or 1)
    card = str(here.resources.get("network_interface_name", "eth0"))
    words = ["mpirun", "--host", ",".join(f"{host}:{each}" for host in here.hosts), "-np", str(each * len(here.hosts))]
    words += ["--allow-run-as-root", "--tag-output", "--oversubscribe"]
    words += ["-mca", "btl_tcp_if_include", card, "-mca", "oob_tcp_if_include", card]
    words += ["-mca", "pml", "ob1", "-mca", "btl", "^openib"]
    words += ["-x", f"NCCL_SOCKET_IFNAME={card}"]
    for name in sorted({*own, *(name for name in PASSED if name in environ)} - {"NCCL_SOCKET_IFNAME"}):
        words += ["-x", name]
    words += shlex.split(str(here.reserved.get("sagemaker_mpi_custom_mpi_options") or ""))
    program = launch.program(here)
    # A rank that fails then ends them all.
    python = [sys.executable, "-m", "mpi4py"]
    return [*words, *(python + program[1:] if program[0] == sys.executable else program)]


@contextmanager
def _door(here: Job, environ: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes] | None]:
    """What lets the first host in; a job of one host needs none."""
    if len(here.hosts) < 2:
        yield None
        return
    with subprocess.Popen(["sshd"], env=dict(environ), stdin=subprocess.DEVNULL) as door:
        try:
            yield door
        finally:
            door.kill()


def _done(here: Job) -> Path:
    return Path(f"/tmp/done.{here.hosts[0]}")


def _wait(done: Path, door: subprocess.Popen[bytes] | None) -> None:
    """The first host ends all processes when the job is stopped, and then says so here as well."""
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    while not done.exists():
        if door is not None and door.poll() is not None:
            raise failures.DistributionError("No other host can reach this one: sshd ended.")
        time.sleep(LOOK_SECONDS)


def _wait_for_workers(workers: list[str]) -> None:
    end = time.monotonic() + WORKER_SECONDS
    for worker in workers:
        while not _answers(worker):
            if time.monotonic() > end:
                raise failures.DistributionError(f"Host {worker} cannot be reached on port {SSH_PORT}.")
            time.sleep(LOOK_SECONDS)


def _answers(host: str) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, SSH_PORT), timeout=5):
        return True
    return False
