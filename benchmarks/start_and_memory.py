"""How soon `clary up` answers when its home exists, and what all its processes hold while nothing happens."""

import time
from pathlib import Path
from statistics import median

from tests.servers import Clary

from benchmarks.processes import memory
from benchmarks.report import Section

STARTS = 7
SETTLE_SECONDS = 8.0


def measure(folder: Path, quick: bool) -> Section:
    section = Section(
        "start_and_memory",
        "Start and idle memory",
        "`clary up` answers within 2 s on its second start; all processes together hold at most 300 MB while idle",
        ("what", "figure"),
    )
    times, held = [], {}
    with Clary(folder / "home") as clary:
        first = _start(clary)
        for _ in range(2 if quick else STARTS):
            clary.stop()
            times.append(_start(clary))
        time.sleep(1 if quick else SETTLE_SECONDS)
        held = memory(clary.process.pid)
        _use(clary)
        time.sleep(1 if quick else SETTLE_SECONDS)
        used = memory(clary.process.pid)
    section.rows = [
        ("first start (keys, roles, database)", f"{first:.2f} s"),
        (f"second start, median of {len(times)}", f"{median(times):.2f} s"),
        ("slowest second start", f"{max(times):.2f} s"),
        ("idle after start, sum of RSS", f"{held['rss']:.0f} MB"),
        ("idle after start, sum of PSS", f"{held['pss']:.0f} MB"),
        ("idle after calls of eight services, sum of RSS", f"{used['rss']:.0f} MB"),
        ("idle after calls of eight services, sum of PSS", f"{used['pss']:.0f} MB"),
    ]
    section.verdict(median(times) <= 2, f"second start {median(times):.2f} s (at most 2 s)")
    section.verdict(held["rss"] <= 300, f"idle RSS {held['rss']:.0f} MB (at most 300 MB)")
    section.notes.append("RSS counts the pages that processes share once for each of them, PSS once.")
    return section


def _start(clary: Clary) -> float:
    """Seconds from the command to the first answer."""
    started = time.perf_counter()
    clary.start()
    return time.perf_counter() - started


def _use(clary: Clary) -> None:
    clary.client("sts").get_caller_identity()
    clary.client("iam").get_role(RoleName="SageMakerRole")
    clary.client("logs").describe_log_groups()
    clary.client("cloudwatch").list_metrics()
    clary.client("ecr").describe_repositories()
    clary.client("kms").list_keys()
    clary.client("s3").list_buckets()
    clary.client("sagemaker").list_training_jobs()
