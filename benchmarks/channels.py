"""Data of jobs: how soon user code has a channel of many or of large objects, and how fast each input mode is read."""

import os
import time
from pathlib import Path
from statistics import median
from typing import Any

from tests.servers import Clary, wait_until

from benchmarks import jobs
from benchmarks.processes import whole
from benchmarks.report import Section
from clary.objects import LocalObjects
from clary.resources.store import DATABASE_FILE, Store

MB = 1 << 20
FILES, LARGE, READ = 10_000, 5 * 1024 * MB, 1024 * MB
RUNS, ROUNDS = 7, 9
ACCOUNT = "123456789012"
GROUP = "/aws/sagemaker/TrainingJobs"
SCRIPT = """
import os, sys, time
print("user code at", time.time())
base = "/opt/ml/input/data/"
def forget(path):
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
def read(path):
    begun, busy, size = time.perf_counter(), time.process_time(), 0
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            size += len(block)
    print("read", size, time.process_time() - busy, time.perf_counter() - begun)
if os.path.isdir(base + "many"):
    names = os.listdir(base + "many")
    print("found", len(names), os.stat(base + "many/" + names[0]).st_ino)
if os.path.isdir(base + "large"):
    print("found", 1, os.stat(base + "large/data").st_ino)
for number in range(int(os.environ.get("ROUNDS", 0))):
    for path in ("file/data", "fast/data", f"pipe_{number}"):
        if os.environ["FROM"] == "disk":
            forget(base + "file/data")
        read(base + path)
"""


def measure(folder: Path, quick: bool) -> Section:
    section = Section(
        "channels",
        "Channels",
        "a File channel of 10,000 small files is there within 1.5 s and one of a 5 GB file within 0.5 s, no bytes "
        "copied; Pipe and FastFile are read at 70 % of the speed of the file itself, from disk, or more",
        ("what", "p50", "slowest"),
    )
    with whole(folder / "home") as clary:
        jobs.upload(clary, SCRIPT)
        count, large, read = (200, 64 * MB, 64 * MB) if quick else (FILES, LARGE, READ)
        stored = _store(folder, clary, count, large, read)
        _run(clary, "warm-up", {})
        for name, title, most in (("many", f"{count:,} files", 1.5), ("large", f"{large // MB:,} MB in one file", 0.5)):
            waits = _starts(clary, name, stored[name], 2 if quick else RUNS)
            section.rows.append((f"create call → user code, {title}", f"{median(waits):.2f} s", f"{max(waits):.2f} s"))
            section.verdict(median(waits) <= most, f"{title}: p50 {median(waits):.2f} s (at most {most} s)")
        for place in ("disk", "memory"):
            _compare(section, clary, place, read, 2 if quick else ROUNDS)
    section.notes.append(
        "Starts are whole: validation, listing, links, sandbox and interpreter. That no bytes are copied is checked: "
        "the job sees the object's own inode. Reading is by 1 MB blocks in one Python process, the three in turn; from "
        "disk: the kernel drops the file from memory before each. In memory a pipe's second copy is what is measured."
    )
    return section


def _store(folder: Path, clary: Clary, count: int, large: int, read: int) -> dict[str, set[int]]:
    """Put the objects; answers the inodes of each channel's."""
    objects = LocalObjects(clary.home / "objects", Store(f"sqlite:///{clary.home / DATABASE_FILE}").database)
    small = [objects.put_bytes(ACCOUNT, jobs.BUCKET, f"many/{number:05}", b"%d" % number) for number in range(count)]
    (folder / "large").touch()
    os.truncate(folder / "large", large)
    one = objects.put_file(ACCOUNT, jobs.BUCKET, "large/data", folder / "large")
    with (folder / "read").open("wb") as out:
        for _ in range(read // MB):
            out.write(os.urandom(MB))
    objects.put_file(ACCOUNT, jobs.BUCKET, "read/data", folder / "read")
    return {"many": {info.path.stat().st_ino for info in small}, "large": {one.path.stat().st_ino}}


def _starts(clary: Clary, name: str, inodes: set[int], runs: int) -> list[float]:
    waits = []
    for number in range(runs):
        called, lines = _run(clary, f"{name}-{number}", {"InputDataConfig": [_channel(name, name, "File")]})
        found = next(line for line in lines if line.startswith("found ")).split()
        if int(found[1]) != len(inodes) or int(found[2]) not in inodes:
            raise RuntimeError(f"the channel {name} is not made of the stored objects: {found}")
        waits.append(float(next(line for line in lines if line.startswith("user code at")).split()[-1]) - called)
    return waits


def _compare(section: Section, clary: Clary, place: str, size: int, rounds: int) -> None:
    channels = [
        _channel(name, "read", mode) for name, mode in (("file", "File"), ("fast", "FastFile"), ("pipe", "Pipe"))
    ]
    environment = {"ROUNDS": str(rounds), "FROM": place}
    _, lines = _run(clary, f"read-from-{place}", {"InputDataConfig": channels, "Environment": environment})
    taken: list[list[float]] = [[], [], []]
    busy: list[list[float]] = [[], [], []]
    reads = [line.split() for line in lines if line.startswith("read ")]
    for number, line in enumerate(reads):
        if int(line[-3]) != size:
            raise RuntimeError(f"{line[-3]} bytes of {size} were read")
        busy[number % 3].append(float(line[-2]))
        taken[number % 3].append(float(line[-1]))
    speeds = [[size / MB / seconds for seconds in one] for one in taken]
    for title, one in zip(("File", "FastFile", "Pipe"), speeds, strict=True):
        what = f"{title}: {size // MB:,} MB read from {place}"
        section.rows.append((what, f"{median(one):,.0f} MB/s", f"{min(one):,.0f} MB/s"))
    if place == "memory":
        return
    for title, one, used in zip(("FastFile", "Pipe"), taken[1:], busy[1:], strict=True):
        ratio, cpu = median(taken[0]) / median(one), median(busy[0]) / median(used)
        section.verdict(
            ratio >= 0.7,
            f"{title}: {ratio:.0%} of the file's own speed (at least 70 %), {cpu:.0%} by the reader's CPU time",
        )


def _channel(name: str, key: str, mode: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{jobs.BUCKET}/{key}/"}
    return {"ChannelName": name, "InputMode": mode, "DataSource": {"S3DataSource": source}}


def _run(clary: Clary, name: str, more: dict[str, Any]) -> tuple[float, list[str]]:
    """When the job was created, and what it printed."""
    sagemaker, logs = clary.client("sagemaker"), clary.client("logs")
    called = time.time()
    sagemaker.create_training_job(**jobs.request(name) | more)
    wait_until(lambda: _described(sagemaker, name)["TrainingJobStatus"] != "InProgress", 600)
    if _described(sagemaker, name)["TrainingJobStatus"] != "Completed":
        raise RuntimeError(_described(sagemaker, name)["FailureReason"])
    (stream,) = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{name}/")["logStreams"]
    page = logs.get_log_events(logGroupName=GROUP, logStreamName=stream["logStreamName"], startFromHead=True)
    return called, [event["message"] for event in page["events"]]


def _described(sagemaker: Any, name: str) -> Any:
    return sagemaker.describe_training_job(TrainingJobName=name)
