"""200 scripts that do nothing: as training jobs, and as plain processes of the same interpreter, two at a time."""

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from tests.servers import CACHE, Clary, wait_until

from benchmarks import jobs
from benchmarks.load import drive
from benchmarks.processes import signer, whole
from benchmarks.report import Section
from clary.runtime.environments import Shelf

JOBS = 200
AT_ONCE = 2
ROUNDS = 3
SCRIPT = "pass\n"


def measure(folder: Path, quick: bool) -> Section:
    count, rounds = (10, 1) if quick else (JOBS, ROUNDS)
    section = Section(
        "many_jobs",
        "Many small jobs",
        f"{JOBS} no-op script jobs take at most 3 times as long as the same scripts as plain processes, 2 at a time",
        ("what", "seconds", "a job, ms"),
    )
    script = folder / "train.py"
    script.write_text(SCRIPT)
    with whole(folder / "home") as clary:
        jobs.upload(clary, SCRIPT)
        through_clary(clary, "warm-up", 2)
        python = Shelf(CACHE / "environments").path("sklearn") / "bin" / "python"
        ours, plain = [], []
        for number in range(rounds):
            plain.append(_plain(python, script, count))
            ours.append(through_clary(clary, f"round{number}", count))
    for name, seconds in (("plain processes", median(plain)), ("training jobs", median(ours))):
        section.rows.append((f"{count} {name}", f"{seconds:.2f}", f"{seconds / count * 1000:.1f}"))
    ratio = median(ours) / median(plain)
    section.verdict(ratio <= 3, f"{ratio:.1f} times the plain processes (at most 3)")
    section.notes += [
        f"Medians of {rounds} rounds that alternate; from the first create call to the last `Completed`.",
        "A job is created, checked, sandboxed, unpacked, logged, archived and stored durably; its output is in S3 and "
        "its folder is gone at the end.",
    ]
    return section


def _plain(python: Path, script: Path, count: int) -> float:
    started = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda _: subprocess.run([python, script], check=True), range(count)))
    return time.perf_counter() - started


def through_clary(clary: Clary, label: str, count: int) -> float:
    keys = signer(clary.home, clary.url)
    address = ("127.0.0.1", clary.port)
    creates = [keys.json("CreateTrainingJob", jobs.request(f"{label}-{number}")) for number in range(count)]
    sagemaker = clary.client("sagemaker")

    def going() -> bool:
        time.sleep(0.05)
        wanted = {"NameContains": label, "MaxResults": 1}
        return bool(sagemaker.list_training_jobs(StatusEquals="InProgress", **wanted)["TrainingJobSummaries"])

    started = time.perf_counter()
    drive(address, creates, 4)
    wait_until(lambda: not going(), 600)
    spent = time.perf_counter() - started
    pages = sagemaker.get_paginator("list_training_jobs").paginate(NameContains=label, StatusEquals="Completed")
    completed = sum(len(page["TrainingJobSummaries"]) for page in pages)
    if completed != count:
        raise RuntimeError(f"{completed} of {count} jobs are Completed")
    return spent
