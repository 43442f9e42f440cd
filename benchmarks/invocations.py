"""Rows of CSV to XGBoost and scikit-learn models: endpoints of Clary beside five model servers, and its own socket."""

import json
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import peers
from benchmarks.endpoints import Hosting, signed
from benchmarks.load import Address, drive
from benchmarks.peers import serving
from benchmarks.processes import whole
from benchmarks.report import Section, ms

KINDS: tuple[serving.Kind, ...] = ("xgboost", "sklearn")
SHAPES = ((1, 1), (1, 8), (1, 64), (100, 8))
"""Rows of a request, and requests at once."""
NUMBER = re.compile(r"(?<![\w.-])-?(?:\d+\.\d+(?:[eE][-+]?\d+)?|\d+[eE]-\d+)(?!\w)")
"""A score: with a point or an exponent, unlike the numbers that MLServer's shapes and ids have."""
ROUNDS = 3
SECONDS = 1.0


@dataclass(slots=True)
class Target:
    """One server under load and its figures of every round."""

    name: str
    address: Address
    request: bytes
    rates: list[float] = field(default_factory=list)
    middles: list[float] = field(default_factory=list)
    tails: list[float] = field(default_factory=list)


def measure(folder: Path, quick: bool) -> Section:
    section = Section(
        "invocations",
        "Invocations",
        "rows of CSV to XGBoost and scikit-learn models: at least twice the requests a second of the best of MLflow, "
        "BentoML, LitServe, MLServer and Ray Serve, and a lower p99, for one row at concurrency 1, 8 and 64 and for "
        "100 rows; at concurrency 8 at most 0.6 ms (p50) and 5 ms (p99) more than the model server's socket",
        ("model", "rows", "concurrency", "server", "requests/s", "p50, ms", "p99, ms"),
    )
    models = folder / "models"
    models.mkdir()
    trainer = [peers.environment("mlflow") / "bin/python", peers.HERE / "train_model.py", models]
    subprocess.run(trainer, check=True, capture_output=True)
    rows = json.loads((models / "rows.json").read_text())
    with whole(folder / "home") as clary:
        hosting = Hosting(clary)
        hosting.model("xgboost", {"xgboost-model": models / "xgboost-model"})
        hosting.model("sklearn", {"model.joblib": models / "model.joblib"})
        for kind in KINDS:
            hosting.deploy(kind)
            with serving.all_running(models, kind) as others:
                for count, concurrency in SHAPES:
                    few = rows | {"rows": rows["rows"][:count], "expected": rows["expected"][kind][:count]}
                    targets = _targets(hosting, kind, few)
                    targets += [Target(p.name, server.address, p.request(server.port, few)) for p, server in others]
                    _compare(section, (kind, count, concurrency), targets, few["expected"], quick)
            hosting.delete(kind)
    versions = [peers.version(peer.name, serving.VERSIONS.get(peer.name)) for peer in serving.PEERS]
    section.notes += [
        f"Medians of {ROUNDS} rounds of {SECONDS:g} s that alternate between all servers; every server runs all the "
        "time, one worker process each, as its manual starts it on one machine.",
        f"{', '.join(versions)}; the same models everywhere: 60 trees, and a scaler with a ridge regression, 30 "
        "features. Clary's requests are signed, the others' are not.",
        "`model socket` is Clary's model server called directly, without the API. It saves scikit-learn questions "
        "about dataframes (docs/model-servers.md), with the same version of it that the others have.",
    ]
    return section


def _targets(hosting: Hosting, kind: serving.Kind, rows: dict[str, Any]) -> list[Target]:
    body = serving.csv(rows).encode()
    plain = (
        "POST /invocations HTTP/1.1\r\nHost: model\r\nContent-Type: text/csv\r\nAccept: text/csv\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return [
        Target("**Clary**", hosting.address, signed(hosting.clary, kind, body)),
        Target("model socket", hosting.socket(kind), plain.encode() + body),
    ]


def _compare(
    section: Section, shape: tuple[str, int, int], targets: list[Target], expected: list[float], quick: bool
) -> None:
    *_, concurrency = shape
    rounds, seconds = (1, 0.3) if quick else (ROUNDS, SECONDS)
    for target in targets:
        _check(target, expected)
        drive(target.address, [target.request], concurrency, seconds / 5)
    for _ in range(rounds):
        for target in targets:
            result = drive(target.address, [target.request], concurrency, seconds)
            target.rates.append(result.rate)
            target.middles.append(result.quantile(0.5))
            target.tails.append(result.quantile(0.99))
    for target in targets:
        figures = (f"{median(target.rates):,.0f}", ms(median(target.middles)), ms(median(target.tails)))
        section.rows.append((*map(str, shape), target.name, *figures))
    _judge(section, shape, targets)


def _judge(section: Section, shape: tuple[str, int, int], targets: list[Target]) -> None:
    clary, socket, *others = targets
    kind, rows, concurrency = shape
    what = f"{kind}, {rows} row{'s' if rows > 1 else ''}, concurrency {concurrency}"
    fastest = max(others, key=lambda each: median(each.rates))
    times = median(clary.rates) / median(fastest.rates)
    section.verdict(times >= 2, f"{what}: {times:.1f} times the requests/s of {fastest.name}, the fastest peer")
    tail, lowest = median(clary.tails), min(median(each.tails) for each in others)
    section.verdict(tail < lowest, f"{what}: p99 {ms(tail)} ms, the best peer's {ms(lowest)} ms")
    if (kind, rows, concurrency) == ("xgboost", 1, 8):
        middle, late = median(clary.middles) - median(socket.middles), tail - median(socket.tails)
        text = f"{what}: {ms(middle)} ms (p50) and {ms(late)} ms (p99) more than the model server's socket"
        section.verdict(middle <= 0.0006 and late <= 0.005, text)


def _check(target: Target, expected: list[float]) -> None:
    """Every server must give the same predictions, in order."""
    (answer,) = drive(target.address, [target.request], 1, keep=True).answers
    body = answer.partition(b"\r\n\r\n")[2].decode()
    found = [float(word) for word in NUMBER.findall(body)]
    if len(found) != len(expected) or any(abs(a - b) > 1e-3 for a, b in zip(found, expected, strict=True)):
        raise RuntimeError(f"{target.name} predicts {answer[-600:]!r} instead of {expected[:3]}...")
