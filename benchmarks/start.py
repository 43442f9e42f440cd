"""`clary up` on a home that exists, to ready; and the memory of all its processes when idle."""

import statistics
import tempfile
import time
from pathlib import Path

import psutil
from tests.servers import Clary

from benchmarks.table import Line, at_most

TITLE = "Start"
ROUNDS = 5


def measure() -> list[Line]:
    with tempfile.TemporaryDirectory() as folder, Clary(Path(folder) / "home") as server:
        server.start()
        server.stop()
        seconds = []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            server.start()
            seconds.append(time.perf_counter() - begun)
            megabytes = _idle(server)
            server.stop()
    return [
        at_most("second start to ready, median", statistics.median(seconds), "s", 2),
        at_most("idle memory of all processes (RSS)", megabytes, "MB", 300),
    ]


def _idle(server: Clary) -> float:
    parent = psutil.Process(server.process.pid)
    return sum(process.memory_info().rss for process in (parent, *parent.children(recursive=True))) / 2**20
