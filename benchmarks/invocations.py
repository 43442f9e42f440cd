"""One CSV row to an XGBoost model: an endpoint of Clary beside four model servers, and beside its own model server."""

import json
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.servers import Clary, wait_until

from benchmarks import peers
from benchmarks.load import Address, drive
from benchmarks.peers import serving
from benchmarks.processes import signer, whole
from benchmarks.report import Section, ms

CONCURRENCY = (1, 8, 64)
ROUNDS = 5
SECONDS = 2.0
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"


@dataclass(slots=True)
class Target:
    """One server under load and its figures of every round."""

    name: str
    address: Address
    request: bytes
    rates: list[float] = field(default_factory=list)
    middles: list[float] = field(default_factory=list)
    tails: list[float] = field(default_factory=list)

    def clear(self) -> None:
        self.rates, self.middles, self.tails = [], [], []


def measure(folder: Path, quick: bool) -> Section:
    section = Section(
        "invocations",
        "Invocations",
        "one CSV row to XGBoost: more requests a second and a lower p99 than MLflow, BentoML, LitServe and MLServer at "
        "concurrency 1, 8 and 64; at most 1.5 ms more (median) than the model server's socket",
        ("concurrency", "server", "requests/s", "p50, ms", "p99, ms"),
    )
    models = folder / "models"
    models.mkdir()
    trainer = [peers.environment("mlflow") / "bin/python", peers.HERE / "train_model.py", models]
    subprocess.run(trainer, check=True, capture_output=True)
    row = json.loads((models / "row.json").read_text())
    with whole(folder / "home") as clary, serving.all_running(models) as others:
        targets = _deployed(clary, models, row)
        for peer, server in others:
            targets.append(Target(peer.name, server.address, peer.request(server.port, row)))
        for target in targets:
            _check(target, row["expected"])
        for concurrency in CONCURRENCY:
            _compare(section, targets, concurrency, 1 if quick else ROUNDS, 0.3 if quick else SECONDS)
    versions = [peers.version("mlflow"), peers.version("bentoml"), peers.version("litserve"), peers.version("mlserver")]
    section.notes += [
        f"Medians of {ROUNDS} rounds of {SECONDS:g} s that alternate between all servers; every server runs all the "
        "time, one worker process each, as its manual starts it on one machine.",
        f"{', '.join(versions)}; the same booster everywhere. Clary's requests are signed, the others' are not.",
        "`model socket` is Clary's model server called directly, without the API.",
    ]
    return section


def _compare(section: Section, targets: list[Target], concurrency: int, rounds: int, seconds: float) -> None:
    for target in targets:
        target.clear()
        drive(target.address, [target.request], concurrency, seconds / 4)
    for _ in range(rounds):
        for target in targets:
            result = drive(target.address, [target.request], concurrency, seconds)
            target.rates.append(result.rate)
            target.middles.append(result.quantile(0.5))
            target.tails.append(result.quantile(0.99))
    for target in targets:
        figures = (f"{median(target.rates):,.0f}", ms(median(target.middles)), ms(median(target.tails)))
        section.rows.append((str(concurrency), target.name, *figures))
    clary, socket, *others = targets
    best, lowest = max(median(each.rates) for each in others), min(median(each.tails) for each in others)
    rate, tail = median(clary.rates), median(clary.tails)
    section.verdict(rate > best, f"concurrency {concurrency}: {rate / best:.1f} times the fastest peer's requests/s")
    section.verdict(tail < lowest, f"concurrency {concurrency}: p99 {ms(tail)} ms, the best peer's {ms(lowest)} ms")
    if concurrency == 1:
        added = median(clary.middles) - median(socket.middles)
        section.verdict(added <= 0.0015, f"{ms(added)} ms more than the model server's socket (at most 1.5 ms)")


def _deployed(clary: Clary, models: Path, row: serving.Row) -> list[Target]:
    """The endpoint, and the model server behind it."""
    with tarfile.open(models / "model.tar.gz", "w:gz") as tar:
        tar.add(models / "xgboost-model", "xgboost-model")
    s3, sagemaker = clary.client("s3"), clary.client("sagemaker")
    s3.create_bucket(Bucket="bench")
    s3.upload_file(str(models / "model.tar.gz"), "bench", "model.tar.gz")
    container = {"Image": IMAGE, "ModelDataUrl": "s3://bench/model.tar.gz"}
    role = "arn:aws:iam::123456789012:role/SageMakerRole"
    sagemaker.create_model(ModelName="bench", PrimaryContainer=container, ExecutionRoleArn=role)
    variant = {"VariantName": "all", "ModelName": "bench", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName="bench", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="bench", EndpointConfigName="bench")
    wait_until(
        lambda: sagemaker.describe_endpoint(EndpointName="bench")["EndpointStatus"] == "InService",
        300,
        lambda: str(sagemaker.describe_endpoint(EndpointName="bench")),
    )
    (socket,) = clary.home.glob("jobs/*/*/run/serve.sock")
    # The signature lasts for fifteen minutes, longer than the measure.
    body, kind = serving.csv(row).encode(), {"Content-Type": "text/csv"}
    keys = signer(clary.home, clary.url)
    signed = keys.raw("sagemaker", "POST", "/endpoints/bench/invocations", kind, body)
    plain = (
        f"POST /invocations HTTP/1.1\r\nHost: model\r\nContent-Type: text/csv\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return [
        Target("**Clary**", ("127.0.0.1", clary.port), signed),
        Target("model socket", socket, plain.encode() + body),
    ]


def _check(target: Target, expected: float) -> None:
    """Every server must give the same prediction."""
    (answer,) = drive(target.address, [target.request], 1, keep=True).answers
    numbers = [float(word) for word in _words(answer) if _is_number(word)]
    if not any(abs(number - expected) < 1e-4 for number in numbers):
        raise RuntimeError(f"{target.name} predicts {answer[-300:]!r} instead of {expected}")


def _words(answer: bytes) -> list[str]:
    body = answer.partition(b"\r\n\r\n")[2].decode()
    return body.translate({ord(mark): " " for mark in '[]{},:"'}).split()


def _is_number(word: str) -> bool:
    return word.replace(".", "").replace("e-", "").isdigit()
