"""200 models behind one endpoint, half of them called: a call of one that is loaded beside a dedicated endpoint's."""

import json
import subprocess
from pathlib import Path
from statistics import median

from benchmarks import peers
from benchmarks.endpoints import BUCKET, IMAGES, ROLE, Hosting, signed
from benchmarks.load import drive
from benchmarks.peers import serving
from benchmarks.processes import whole
from benchmarks.report import Section, ms

MODELS, CALLED = 200, 100
CONCURRENCY = (1, 8)
ROUNDS = 3
SECONDS = 2.0
WITHIN = 1.1


def measure(folder: Path, quick: bool) -> Section:
    section = Section(
        "multi_model",
        "Multi-model endpoints",
        f"{MODELS} XGBoost models behind one endpoint, {CALLED} of them called in turn: p50 within 10 % of a dedicated "
        "endpoint's",
        ("what", "concurrency", "requests/s", "p50, ms", "p99, ms"),
    )
    count, called = (6, 3) if quick else (MODELS, CALLED)
    models = folder / "models"
    models.mkdir()
    trainer = [peers.environment("mlflow") / "bin/python", peers.HERE / "train_model.py", models]
    subprocess.run(trainer, check=True, capture_output=True)
    rows = json.loads((models / "rows.json").read_text())
    body = serving.csv(rows | {"rows": rows["rows"][:1]}).encode()
    with whole(folder / "home") as clary:
        hosting = Hosting(clary)
        hosting.model("xgboost", {"xgboost-model": models / "xgboost-model"})
        _multi_model(hosting, models, count)
        for name in ("xgboost", "many"):
            hosting.deploy(name)
        named = [{"X-Amzn-SageMaker-Target-Model": f"{number}.tar.gz"} for number in range(called)]
        calls = {
            "dedicated": [signed(clary, "xgboost", body)],
            "multi-model": [signed(clary, "many", body, **headers) for headers in named],
        }
        loads = drive(hosting.address, calls["multi-model"], 1)
        section.rows.append(("first call, which loads", "1", "", ms(loads.quantile(0.5)), ms(loads.quantile(0.99))))
        for concurrency in CONCURRENCY:
            _compare(section, hosting, calls, concurrency, quick)
    section.notes.append(
        f"Medians of {ROUNDS} rounds of {SECONDS:g} s that alternate; one worker process each; all models are alike."
    )
    return section


def _multi_model(hosting: Hosting, models: Path, count: int) -> None:
    archive = hosting.archive("xgboost", {"xgboost-model": models / "xgboost-model"})
    for number in range(count):
        hosting.s3.upload_file(str(archive), BUCKET, f"many/{number}.tar.gz")
    container = {"Image": IMAGES["xgboost"], "Mode": "MultiModel", "ModelDataUrl": f"s3://{BUCKET}/many/"}
    hosting.sagemaker.create_model(ModelName="many", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    hosting.configuration("many")


def _compare(section: Section, hosting: Hosting, calls: dict[str, list[bytes]], concurrency: int, quick: bool) -> None:
    rounds, seconds = (1, 0.3) if quick else (ROUNDS, SECONDS)
    figures: dict[str, list[tuple[float, float, float]]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, requests in calls.items():
            found = drive(hosting.address, requests, concurrency, seconds)
            figures[name].append((found.rate, found.quantile(0.5), found.quantile(0.99)))
    middles = {}
    for name, rounds_of in figures.items():
        rate, middles[name], tail = (median(values) for values in zip(*rounds_of, strict=True))
        section.rows.append((name, str(concurrency), f"{rate:,.0f}", ms(middles[name]), ms(tail)))
    ratio = middles["multi-model"] / middles["dedicated"]
    section.verdict(
        ratio <= WITHIN, f"concurrency {concurrency}: p50 {ratio:.2f} times the dedicated endpoint's (at most {WITHIN})"
    )
