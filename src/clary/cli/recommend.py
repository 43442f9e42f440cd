"""`clary recommend NAME`: what an Inference Recommender job found, with a bar for each number of users.

Read through the public API: the job's steps, and the lines that its load tests have logged.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from clary.cli.api import client, every
from clary.cli.failures import CliFailure
from clary.cli.screen import note, show
from clary.settings import Settings

GROUP = "/aws/sagemaker/InferenceRecommendationsJobs"
BAR = 40
Row = dict[str, Any]


@dataclass(slots=True)
class Test:
    """One step of the job. `curve`: what each number of users saw, as the load test has logged it."""

    name: str
    status: str
    metrics: Row
    failure: str
    curve: list[Row] = field(default_factory=list)


def recommend(settings: Settings, *, name: str, html: Path | None, as_json: bool) -> None:
    """Raises `NotRunning`, or `CliFailure` for a job that is not there."""
    sagemaker = client(settings, "sagemaker")
    try:
        job = sagemaker.describe_inference_recommendations_job(JobName=name)
    except ClientError as error:
        raise CliFailure(error.response["Error"]["Message"]) from error
    found = tests(sagemaker, client(settings, "logs"), name)
    if html:
        from clary.cli import recommend_page

        html.write_text(recommend_page.page(name, job, found))
        note(f"Written to {html}")
        return
    show([row(test) for test in found], as_json=as_json, title=f"{name}: {job['Status']}")
    if not as_json:
        print("\n".join(line for test in found for line in bars(test)))
        for reason in (test.failure for test in found if test.failure):
            note(reason)


def tests(sagemaker: Any, logs: Any, name: str) -> list[Test]:
    """In the order in which the job makes them."""
    steps = every(sagemaker, "list_inference_recommendations_job_steps", "Steps", JobName=name)
    return [_test(step, curve(logs, name, number)) for number, step in enumerate(steps)]


def _test(step: Row, found: list[Row]) -> Test:
    shown = step["InferenceBenchmark"]
    config = shown.get("EndpointConfiguration", {})
    serverless = config.get("ServerlessConfig", {}).get("MemorySizeInMB")
    what = config.get("InstanceType") or (f"serverless, {serverless} MB" if serverless else "your endpoint")
    given = shown["ModelConfiguration"].get("EnvironmentParameters", [])
    named = " ".join([what, *(f"{each['Key']}={each['Value']}" for each in given)])
    metrics = shown.get("Metrics") or shown.get("EndpointMetrics") or {}
    return Test(named, step["Status"], metrics, shown.get("FailureReason", ""), found)


def curve(logs: Any, name: str, number: int) -> list[Row]:
    """Nothing where the load test has not begun, or its log is gone."""
    try:
        streams = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{name}/{number}-")["logStreams"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    lines = []
    for stream in streams:
        where = {"logGroupName": GROUP, "logStreamName": stream["logStreamName"], "startFromHead": True}
        lines += [event["message"] for event in logs.get_log_events(**where)["events"]]
    return [json.loads(line)["step"] for line in lines if line.startswith('{"step"')]


def row(test: Test) -> Row:
    """What is unknown is shown as `-`."""
    found = test.metrics
    million = found["CostPerInference"] * 1e6 if "CostPerInference" in found else None
    figures = {
        "calls/min": found.get("MaxInvocations"),
        "latency, ms": found.get("ModelLatency"),
        "CPU, %": found.get("CpuUtilization"),
        "memory, %": found.get("MemoryUtilization"),
        "$/hour": found.get("CostPerHour"),
        "$/million": None if million is None else round(million, 4),
    }
    known = {name: "-" if value is None else value for name, value in figures.items()}
    return {"test": test.name, "status": test.status, **known}


def bars(test: Test) -> list[str]:
    """Answers a second for each number of users, and the latencies beside them."""
    if not test.curve:
        return []
    most = max(step["rate"] for step in test.curve) or 1.0
    lines = ["", f"{test.name}: answers a second, and P50, P95 and P99 in ms"]
    for step in test.curve:
        bar = "█" * max(1, round(BAR * step["rate"] / most)) if step["rate"] else ""
        tails = "  ".join(f"{step[part]:8.2f}" for part in ("p50", "p95", "p99"))
        errors = f"  {step['errors']} errors" if step["errors"] else ""
        lines.append(f"{step['users']:5} users  {bar:<{BAR}} {step['rate']:9.1f}  {tails}{errors}")
    return lines
