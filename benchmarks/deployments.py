"""Endpoints coming up, and changing under load: seconds until `InService`, and requests that failed."""

import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import peers
from benchmarks.endpoints import Hosting, signed
from benchmarks.load import Result, drive
from benchmarks.peers import serving
from benchmarks.processes import whole
from benchmarks.report import Section, ms

FRESH = 5
CREATES = 7
UPDATES = 2
CONNECTIONS = 8
CREATE_SECONDS = 1.5
FILES = {"xgboost": "xgboost-model", "sklearn": "model.joblib"}


def measure(folder: Path, quick: bool) -> Section:
    section = Section(
        "deployments",
        "Deployments",
        f"endpoint create call to `InService` within {CREATE_SECONDS} s (environment built), the first of a server and "
        "later ones; updates under load without a failed request",
        ("what", "p50, s", "longest, s"),
    )
    models = folder / "models"
    models.mkdir()
    trainer = [peers.environment("mlflow") / "bin/python", peers.HERE / "train_model.py", models]
    subprocess.run(trainer, check=True, capture_output=True)
    rows = json.loads((models / "rows.json").read_text())
    files = {kind: {name: models / name} for kind, name in FILES.items()}
    fresh = 1 if quick else FRESH
    with whole(folder / "home") as clary:
        hosting = Hosting(clary)
        for kind in FILES:
            hosting.model(kind, files[kind])
            _repeated(section, hosting, kind, 2 if quick else CREATES)
        _updates(section, hosting, rows, models, 1 if quick else UPDATES)
    # Last: what runs before has built the environments, where nothing had yet.
    for kind in FILES:
        homes = [folder / f"fresh-{kind}-{number}" for number in range(fresh)]
        _creates(section, f"{kind}, first of a server", [_first(home, kind, files[kind]) for home in homes])
    section.notes += [
        "Status asked for through boto3 every 10 ms or so; each endpoint is deleted before the next.",
        f"First of a server: {fresh} of each, on servers started anew, whose first calls are CreateModel, "
        "CreateEndpointConfig and CreateEndpoint. Nothing was hosted before, and nothing imported.",
    ]
    return section


def _first(home: Path, kind: str, files: dict[str, Path]) -> float:
    with whole(home) as clary:
        hosting = Hosting(clary)
        hosting.model(kind, files)
        return hosting.deploy(kind)


def _repeated(section: Section, hosting: Hosting, kind: str, count: int) -> None:
    seconds = []
    for number in range(count + 1):
        seconds.append(hosting.deploy(kind, f"{kind}-{number}"))
        hosting.delete(f"{kind}-{number}")
    _creates(section, f"{kind}, repeated", seconds[1:])


def _creates(section: Section, what: str, seconds: list[float]) -> None:
    middle = median(seconds)
    section.rows.append((f"{what}: create call → `InService`", f"{middle:.2f}", f"{max(seconds):.2f}"))
    section.verdict(middle <= CREATE_SECONDS, f"{what}: {middle:.2f} s (at most {CREATE_SECONDS} s)")


def _updates(section: Section, hosting: Hosting, rows: dict[str, Any], models: Path, count: int) -> None:
    """All at once, blue/green, from one model to another and back, while every connection is busy."""
    hosting.model("xgboost", {"xgboost-model": models / "xgboost-model"}, name="other")
    hosting.deploy("xgboost", "updated")
    body = serving.csv(rows | {"rows": rows["rows"][:1]}).encode()
    call = signed(hosting.clary, "updated", body)
    seconds = []
    answered = failed = 0
    with ThreadPoolExecutor(1) as pool:
        for number in range(count):
            # Longer than an update takes; the old instances have to be gone before the load ends.
            load = pool.submit(_drive, hosting, call, 8.0)
            seconds.append(_update(hosting, "other" if number % 2 == 0 else "xgboost"))
            result, failure = load.result()
            answered += len(result.latencies)
            failed += failure
            tail = ms(result.quantile(0.99)) if result.latencies else "-"
    section.rows.append(("update under load → `InService`", f"{median(seconds):.2f}", f"{max(seconds):.2f}"))
    section.verdict(
        not failed, f"{failed} failed of {answered + failed:,} requests during {count} updates; p99 {tail} ms"
    )


def _update(hosting: Hosting, configuration: str) -> float:
    begin = time.perf_counter()
    hosting.sagemaker.update_endpoint(EndpointName="updated", EndpointConfigName=configuration)
    hosting.settled("updated")
    return time.perf_counter() - begin


def _drive(hosting: Hosting, call: bytes, seconds: float) -> tuple[Result, int]:
    """`drive` ends at the first answer that is not as it should be."""
    try:
        return drive(hosting.address, [call], CONNECTIONS, seconds), 0
    except (RuntimeError, OSError):
        return Result(seconds=seconds), 1
