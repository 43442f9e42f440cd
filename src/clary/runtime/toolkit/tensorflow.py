"""`TF_CONFIG` for several hosts, and the parameter server that runs beside the script on each."""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from clary.runtime.toolkit.job import Job

WORKER_PORT = 2222
SERVER_PORT = 2223
MIRRORED_PORT = 8890
LOOK_SECONDS = 1.0
SERVER = """
import json, os
import tensorflow as tf
told = json.loads(os.environ["TF_CONFIG"])
tf.distribute.Server(told["cluster"], job_name="ps", task_index=told["task"]["index"]).join()
"""


def mirrored(here: Job) -> str:
    """For MultiWorkerMirroredStrategy: every host is a worker."""
    task = {"type": "worker", "index": here.hosts.index(here.host)}
    return _config({"worker": [f"{host}:{MIRRORED_PORT}" for host in here.hosts]}, task)


def worker(here: Job) -> str:
    """For the script beside a parameter server: the first host is the master, the others are workers."""
    first = here.host == here.hosts[0]
    task = {"type": "master", "index": 0} if first else {"type": "worker", "index": here.hosts.index(here.host) - 1}
    return _config(_servers(here), task)


def server(here: Job) -> str:
    """For the parameter server itself."""
    return _config(_servers(here), {"type": "ps", "index": here.hosts.index(here.host)})


def _servers(here: Job) -> dict[str, list[str]]:
    first, *others = [f"{host}:{WORKER_PORT}" for host in here.hosts]
    return {"master": [first], "worker": others, "ps": [f"{host}:{SERVER_PORT}" for host in here.hosts]}


def _config(cluster: dict[str, list[str]], task: dict[str, Any]) -> str:
    return json.dumps({"cluster": cluster, "task": task, "environment": "cloud"})


@contextmanager
def beside_parameter_server(here: Job, environ: Mapping[str, str], own: dict[str, str]) -> Iterator[None]:
    """A parameter server runs on this host until the first host's script has ended."""
    own["TF_CONFIG"] = worker(here)
    # The libraries of a GPU build would take the whole device for a server that computes nothing.
    told = dict(environ) | own | {"TF_CONFIG": server(here), "CUDA_VISIBLE_DEVICES": "-1"}
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", SERVER], told)
    try:
        yield
        if here.host != here.hosts[0]:
            _wait_until_down(here.hosts[0])
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _wait_until_down(first: str) -> None:
    """As AWS's toolkit does, by the parameter server's port of the first host."""
    missed = 0
    while missed < 3:
        try:
            socket.create_connection((first, SERVER_PORT), timeout=10).close()
            missed = 0
        except OSError:
            missed += 1
        time.sleep(LOOK_SECONDS)
