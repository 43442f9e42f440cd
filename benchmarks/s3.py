"""S3 with boto3 as its users have it: 100 MB put and get, 1 GB in parts, and the server's memory meanwhile."""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3

from benchmarks.servers import Served, clary, moto
from benchmarks.table import Line, at_most, faster

TITLE = "Objects"
MEGABYTE = 2**20
REACH = 2.0
GROWTH_MEGABYTES = 50
ROUNDS = 3


def measure() -> list[Line]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "1GB"
        with file.open("wb") as out:
            for _ in range(64):
                out.write(os.urandom(16 * MEGABYTE))
        with clary(Path(folder) / "home") as served:
            ours, growth = speeds(served, file)
        with moto() as served:
            theirs, their_growth = speeds(served, file)
    lines = [faster(name, ours[name], theirs[name], "MB/s", REACH) for name in ours]
    informed = f"{their_growth:,.0f} MB"
    memory = at_most("growth of memory", growth, "MB", GROWTH_MEGABYTES)
    return [*lines, Line(memory.what, memory.clary, informed, "", memory.reach, memory.held)]


def speeds(served: Served, file: Path) -> tuple[dict[str, float], float]:
    """MB/s of each transfer, the best of some, and by how many MB the server grew."""
    keys = {"aws_access_key_id": served.access_key, "aws_secret_access_key": served.secret}
    s3 = boto3.client("s3", endpoint_url=served.url, region_name="us-east-1", **keys)
    s3.create_bucket(Bucket="bench")
    s3.put_object(Bucket="bench", Key="warm", Body=b"x")
    before = served.rss()
    with file.open("rb") as source:
        body = source.read(100 * MEGABYTE)
    found = {
        "put 100 MB": _best(100, lambda: s3.put_object(Bucket="bench", Key="one", Body=body)),
        "get 100 MB": _best(100, lambda: _read(s3)),
        "multipart 1 GB": 1024 / _seconds(lambda: s3.upload_file(str(file), "bench", "many")),
    }
    return found, served.rss() - before


def _read(s3: Any) -> None:
    for _ in s3.get_object(Bucket="bench", Key="one")["Body"].iter_chunks(MEGABYTE):
        pass


def _best(megabytes: int, action: Callable[[], object]) -> float:
    return megabytes / min(_seconds(action) for _ in range(ROUNDS))


def _seconds(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun
