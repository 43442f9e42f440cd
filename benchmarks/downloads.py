"""Many objects fetched from a remote Clary's S3, as a node does before an instance starts, beside `aws s3 cp`."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from tests.conftest import LOCKS
from tests.servers import CACHE, Clary

from benchmarks.processes import whole
from benchmarks.report import Section
from clary.cli import clients
from clary.runtime.cluster.download import download
from clary.runtime.workload import Store

BUCKET = "many"
MB = 1 << 20
CLI = [("classic", 10), ("classic", 20), ("crt", 10)]
"""Of `aws s3`: preferred_transfer_client and max_concurrent_requests."""


def measure(folder: Path, quick: bool) -> Section:
    count, rounds = (100, 1) if quick else (1000, 5)
    with whole(folder / "home") as clary:
        _fill(clary, count)
        ways: dict[str, Callable[[], None]] = {"a node's download": lambda: _ours(clary, folder, count)}
        for kind in CLI:
            ways[f"aws s3 cp --recursive, {kind[0]}, {kind[1]} requests"] = lambda kind=kind: _cli(clary, folder, kind)
        speeds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, act in ways.items():
                started = time.perf_counter()
                act()
                speeds[name].append(count / (time.perf_counter() - started))
                files = list((folder / "to").iterdir())
                if sum(file.stat().st_size for file in files) != count * MB:
                    raise RuntimeError(f"{name} left {len(files)} files")
                shutil.rmtree(folder / "to")
    section = Section(
        "downloads",
        "Downloads to a node",
        f"{count:,} objects of 1 MB from an S3 on the loopback: at least 80 % of the best of `aws s3 cp --recursive`",
        ("what", "MB/s"),
    )
    figures = {name: median(each) for name, each in speeds.items()}
    section.rows += [(name, f"{figure:.0f}") for name, figure in figures.items()]
    ours, *theirs = figures.values()
    section.verdict(ours >= 0.8 * max(theirs), f"{ours / max(theirs):.1f} times the best of the CLI (at least 0.8)")
    section.notes.append("The CLI's start counts, as it would for whoever runs it; a node has no program to start.")
    return section


def _fill(clary: Clary, count: int) -> None:
    s3 = clary.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    body = os.urandom(MB)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: s3.put_object(Bucket=BUCKET, Key=f"d/{number}", Body=body), range(count)))


def _ours(clary: Clary, folder: Path, count: int) -> None:
    keys = clary.client_environ()
    store = Store(
        endpoint=clary.url,
        region=keys["AWS_REGION"],
        access_key=keys["AWS_ACCESS_KEY_ID"],
        secret=keys["AWS_SECRET_ACCESS_KEY"],
        token=keys.get("AWS_SESSION_TOKEN", ""),
    )
    download(store, [(f"s3://{BUCKET}/d/{number}", folder / "to" / str(number)) for number in range(count)])


def _cli(clary: Clary, folder: Path, kind: tuple[str, int]) -> None:
    config = folder / "aws-config"
    config.write_text(
        f"[default]\ns3 =\n  preferred_transfer_client = {kind[0]}\n  max_concurrent_requests = {kind[1]}\n"
    )
    aws = clients.environment(LOCKS["awscli"], CACHE / "clients", print) / "bin/aws"
    command = [str(aws), "s3", "cp", "--quiet", "--recursive", f"s3://{BUCKET}/d/", str(folder / "to")]
    subprocess.run(command, env=clary.client_environ() | {"AWS_CONFIG_FILE": str(config)}, check=True)
