"""From the create call to the first line of user code: a scikit-learn script that prints the time."""

import time
from pathlib import Path
from typing import Any

from tests.servers import wait_until

from benchmarks import jobs
from benchmarks.processes import whole
from benchmarks.report import Section

RUNS = 30
SCRIPT = "import time; print('user code at', time.time())\nimport sklearn\n"
GROUP = "/aws/sagemaker/TrainingJobs"


def measure(folder: Path, quick: bool) -> Section:
    section = Section(
        "first_line",
        "Create call to user code",
        "half of all jobs run their first line within 0.5 s of the create call (scikit-learn, environment built)",
        ("what", "p50, s", "p90, s", "longest, s"),
    )
    with whole(folder / "home") as clary:
        jobs.upload(clary, SCRIPT)
        clients = clary.client("sagemaker"), clary.client("logs")
        _one(clients, "warm-up")
        waits = [_one(clients, f"job-{number}") for number in range(3 if quick else RUNS)]
    begun = sorted(first for first, _ in waits)
    ended = sorted(last for _, last in waits)
    section.rows = [
        ("create call → first line of the script", *_quantiles(begun)),
        ("create call → `Completed`, polled every 10 ms (the script imports scikit-learn)", *_quantiles(ended)),
    ]
    middle = begun[len(begun) // 2]
    section.verdict(middle <= 0.5, f"p50 {middle:.2f} s (at most 0.5 s)")
    section.notes.append(f"{len(begun)} jobs one after another, through boto3.")
    return section


def _one(clients: tuple[Any, Any], name: str) -> tuple[float, float]:
    """Seconds to the first line and to the end."""
    sagemaker, logs = clients
    called = time.time()
    sagemaker.create_training_job(**jobs.request(name))
    status = ""

    def over() -> bool:
        nonlocal status
        time.sleep(0.01)
        status = sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"]
        return status != "InProgress"

    wait_until(over, 300)
    ended = time.time()
    if status != "Completed":
        raise RuntimeError(sagemaker.describe_training_job(TrainingJobName=name)["FailureReason"])
    return _printed(logs, name) - called, ended - called


def _printed(logs: Any, name: str) -> float:
    (stream,) = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{name}/")["logStreams"]
    page = logs.get_log_events(logGroupName=GROUP, logStreamName=stream["logStreamName"], startFromHead=True)
    lines = (event["message"] for event in page["events"])
    return float(next(line for line in lines if line.startswith("user code at")).rpartition(" ")[2])


def _quantiles(values: list[float]) -> tuple[str, str, str]:
    return tuple(f"{values[min(len(values) - 1, int(part * len(values)))]:.3f}" for part in (0.5, 0.9, 1))  # type: ignore[return-value]
