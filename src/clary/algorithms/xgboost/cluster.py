"""Several hosts as one XGBoost training: the tracker runs on the first host, all hosts join it."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from xgboost import collective
from xgboost.tracker import RabitTracker

TRACKER_PORT = 9099
"""The same on every job: each has its own network. `DMLC_TRACKER_PORT`, rabit's name for it, says otherwise."""
JOIN_SECONDS = 300


@contextmanager
def joined(hosts: list[str], current: str, port: int) -> Iterator[None]:
    """Inside, every `xgboost.train` is one training over all hosts. One host needs no tracker."""
    if len(hosts) == 1:
        yield
        return
    master = _address(hosts[0])
    tracker = None
    if current == hosts[0]:
        tracker = RabitTracker(n_workers=len(hosts), host_ip=master, port=port, sortby="task")
        tracker.start()
    try:
        with collective.CommunicatorContext(
            dmlc_communicator="rabit",
            dmlc_tracker_uri=master,
            dmlc_tracker_port=port,
            dmlc_task_id=f"{hosts.index(current):05}",
            dmlc_retry=JOIN_SECONDS,
            dmlc_timeout=JOIN_SECONDS,
        ):
            yield
    finally:
        if tracker is not None:
            tracker.wait_for(JOIN_SECONDS)


def widest(columns: int) -> int:
    """The largest number of columns that any host has: a host without data needs it for its empty matrix."""
    return (
        int(collective.allreduce(np.array([columns]), collective.Op.MAX)[0]) if collective.is_distributed() else columns
    )


def _address(host: str) -> str:
    end = time.monotonic() + JOIN_SECONDS
    while True:
        try:
            return socket.gethostbyname(host)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
