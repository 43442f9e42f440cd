"""100 tiny jobs at once on a Ray cluster of 10 nodes, all on this machine, and on the local backend."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psutil
from tests.ray_cluster import PLACE, RayCluster
from tests.servers import Clary, wait_until

from benchmarks import jobs
from benchmarks.many_jobs import SCRIPT, through_clary
from benchmarks.report import Section

NODES, SLOTS = 10, 10
ROUNDS = 3
ALONE = 20
TARGET_SECONDS = 0.1


def measure(folder: Path, quick: bool) -> Section:
    nodes, slots, rounds, alone = (2, 2, 1, 2) if quick else (NODES, SLOTS, ROUNDS, ALONE)
    section = Section(
        "ray_jobs",
        "Tiny jobs on a Ray cluster",
        f"{NODES * SLOTS} instances over {NODES} nodes: at most {TARGET_SECONDS * 1000:.0f} ms a job (p50) beyond the "
        "local backend",
        ("backend", "all at once, ms a job", "CPU of all processes, ms a job", "one after another, p50, ms"),
    )
    cluster = RayCluster(nodes=nodes, slots=slots)
    try:
        with _local(folder / "local", nodes * slots) as local, _on_ray(folder / "ray", cluster) as ray:
            found = {"local": (local, _Figures()), "ray": (ray, _Figures())}
            for clary, _ in found.values():
                jobs.upload(clary, SCRIPT)
                through_clary(clary, "warm-up", nodes)
            for number in range(rounds):
                for clary, figures in found.values():
                    figures.together(clary, f"round{number}", nodes * slots)
                    figures.one_by_one(clary, f"alone{number}", alone)
    finally:
        cluster.stop()
    for name, (_, figures) in found.items():
        section.rows.append((name, *(f"{value * 1000:.0f}" for value in figures.medians())))
    beyond = [
        ours - theirs for ours, theirs in zip(found["ray"][1].medians(), found["local"][1].medians(), strict=True)
    ]
    section.verdict(
        beyond[0] <= TARGET_SECONDS, f"{beyond[0] * 1000:.0f} ms a job beyond the local backend, all at once"
    )
    section.verdict(beyond[2] <= TARGET_SECONDS, f"{beyond[2] * 1000:.0f} ms beyond it, one job after another")
    section.notes += [
        f"Medians of {rounds} rounds that alternate, {nodes * slots} jobs of one instance each from the first create "
        "call to the last `Completed`; environment built.",
        "All nodes share this machine's cores with each other, the head and the server.",
    ]
    return section


class _Figures:
    """Of one backend, in seconds a job."""

    def __init__(self) -> None:
        self._walls: list[float] = []
        self._works: list[float] = []
        self._alone: list[float] = []

    def together(self, clary: Clary, label: str, count: int) -> None:
        before = _busy()
        self._walls.append(through_clary(clary, label, count) / count)
        self._works.append((_busy() - before) / count)

    def one_by_one(self, clary: Clary, label: str, count: int) -> None:
        client = clary.client("sagemaker")
        for number in range(count):
            name, begun = f"{label}-{number}", time.perf_counter()
            client.create_training_job(**jobs.request(name))
            wait_until(lambda name=name: _status(client, name) == "Completed", 120)
            self._alone.append(time.perf_counter() - begun)

    def medians(self) -> tuple[float, float, float]:
        return median(self._walls), median(self._works), median(self._alone)


def _status(client: object, name: str) -> str:
    return str(client.describe_training_job(TrainingJobName=name)["TrainingJobStatus"])  # type: ignore[attr-defined]


def _busy() -> float:
    """CPU seconds of the whole machine so far: workers of Ray come and go."""
    spent = psutil.cpu_times()
    return float(spent.user + spent.nice + spent.system)


@contextmanager
def _local(home: Path, slots: int) -> Iterator[Clary]:
    with Clary(home, slots=str(slots)) as clary:
        yield clary.start()


@contextmanager
def _on_ray(home: Path, cluster: RayCluster) -> Iterator[Clary]:
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(PLACE), before)))
    try:
        with Clary(home, backend="ray", ray_address=cluster.address) as clary:
            yield clary.start()
    finally:
        os.environ["PYTHONPATH"] = before or ""
