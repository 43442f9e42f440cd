"""Traffic, trials, figures and decisions: all pure."""

from typing import Any

import msgspec
import pytest

from clary.capabilities.recommendations import choose, figures, traffic
from clary.capabilities.recommendations.decide import LATE, STOPPED, Sight, active, advance, conclusion
from clary.capabilities.recommendations.trials import Outcome, Step, Trial
from clary.catalogue import types

STEP = Step(users=1, seconds=1.0, answered=100, errors=0, rate=100.0, p50=1.0, p95=2.2, p99=3.0)
TRIAL = Trial(number=0, endpoint="e", instance_type="ml.m5.large")


def step(**members: Any) -> Step:
    return msgspec.structs.replace(STEP, **members)


def trial(**members: Any) -> Trial:
    return msgspec.structs.replace(TRIAL, **members)


@pytest.mark.parametrize(
    ("pattern", "steps"),
    [
        ({"Stairs": {"DurationInSeconds": 5, "NumberOfSteps": 3, "UsersPerStep": 2}}, [(2, 5.0), (4, 5.0), (6, 5.0)]),
        ({"Phases": [{"InitialNumberOfUsers": 2, "SpawnRate": 0, "DurationInSeconds": 9}]}, [(2, 9.0)]),
        (
            {"Phases": [{"InitialNumberOfUsers": 1, "SpawnRate": 2, "DurationInSeconds": 70}]},
            [(1, 30.0), (2, 30.0), (3, 10.0)],
        ),
        (
            {"Phases": [{"InitialNumberOfUsers": 1, "SpawnRate": 120, "DurationInSeconds": 2}]},
            [(1, 1.0), (3, 1.0)],
        ),
        ({}, list(traffic.DEFAULT_STEPS)),
    ],
)
def test_patterns(pattern: dict[str, Any], steps: list[tuple[int, float]]) -> None:
    assert traffic.steps({"TrafficPattern": pattern}) == steps


def test_trials_of_every_combination_up_to_the_limit() -> None:
    ranges = {"CategoricalParameterRanges": [{"Name": "A", "Value": ["1", "2"]}, {"Name": "B", "Value": ["x"]}]}
    config = {
        "EndpointConfigurations": [
            {"InstanceType": "ml.m5.large", "EnvironmentParameterRanges": ranges},
            {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}},
        ],
        "Endpoints": [{"EndpointName": "mine"}],
    }
    found = choose.trials("id", config, ["ml.c5.large"])
    assert [(each.instance_type, each.environment, each.serverless, each.own) for each in found] == [
        ("ml.m5.large", {"A": "1", "B": "x"}, None, True),
        ("ml.m5.large", {"A": "2", "B": "x"}, None, True),
        ("", {}, {"MemorySizeInMB": 1024, "MaxConcurrency": 1}, True),
        ("", {}, None, False),
    ]
    assert [each.number for each in found] == [0, 1, 2, 3]
    assert found == choose.trials("id", config, [])
    few = choose.trials("id", {"ResourceLimit": {"MaxNumberOfTests": 1}}, ["ml.c5.large", "ml.m5.large"])
    assert [each.instance_type for each in few] == ["ml.c5.large"]
    assert [each.endpoint for each in choose.trials("id", {"Endpoints": config["Endpoints"]}, ["ml.c5.large"])] == [
        "mine"
    ]


def test_types_that_suit_the_machine() -> None:
    every = [one for one in types.every().values() if one.acc is None]
    found = choose.suitable(every, 2, 8 * 1024, [])
    shapes = [(one.cpus or 0, one.mib or 0) for one in map(types.find, found) if one]
    assert 0 < len(found) <= choose.DEFAULT_TYPES and len(set(shapes)) == len(shapes)
    assert all(cpus <= 2 and mib <= 8 * 1024 for cpus, mib in shapes)
    assert choose.suitable(every, 2, 8 * 1024, ["ml.m5.large", "ml.m5.24xlarge"]) == ["ml.m5.large"]
    assert choose.suitable(every, 1, 1, ["ml.m5.24xlarge"]) == ["ml.m5.24xlarge"]


def test_step_that_counts() -> None:
    steps = (step(), step(rate=300.0, errors=5), step(rate=250.0, p95=9.5), step(rate=200.0, p95=4.0))
    outcome = Outcome(steps=steps)
    assert figures.best(outcome, {}) == steps[2]
    threshold = {"ModelLatencyThresholds": [{"Percentile": "P95", "ValueInMilliseconds": 5}]}
    assert figures.best(outcome, threshold) == steps[3]
    assert figures.best(outcome, {"ModelLatencyThresholds": [{"ValueInMilliseconds": 1}]}) is None


def test_metrics_are_what_is_known() -> None:
    known = types.price(types.every()["ml.m5.large"], "hosting", "us-east-1")
    assert known
    assert figures.metrics(trial(cpu_percent=12.345), STEP, {}, "us-east-1") == {
        "MaxInvocations": 6000,
        "ModelLatency": 3,
        "CostPerHour": known.usd,
        "CostPerInference": known.usd / 360_000,
        "CpuUtilization": 12.35 if round(12.345, 2) == 12.35 else 12.34,
    }
    elsewhere = figures.metrics(trial(), STEP, {}, "eu-west-1")
    assert elsewhere == {"MaxInvocations": 6000, "ModelLatency": 3}


GOOD = Outcome(steps=(STEP,))
NONE = Outcome(steps=(step(answered=0),), trouble="424 bad")


@pytest.mark.parametrize(
    ("before", "sight", "halt", "changed", "act"),
    [
        ({}, {}, "", {"phase": "deploying"}, ""),
        ({"own": False}, {}, "", {"phase": "loading"}, ""),
        ({}, {}, STOPPED, {"phase": "ended", "failure": STOPPED}, ""),
        ({"phase": "deploying"}, {}, "", {}, "deploy"),
        ({"phase": "deploying"}, {"endpoint": "Creating"}, "", {}, ""),
        ({"phase": "deploying"}, {"endpoint": "InService"}, "", {"phase": "loading"}, ""),
        ({"phase": "deploying"}, {"endpoint": "Failed", "reason": "x"}, "", {"phase": "leaving", "failure": "x"}, ""),
        ({"phase": "deploying"}, {"endpoint": "Creating"}, LATE, {"phase": "leaving", "failure": LATE}, ""),
        ({"phase": "loading"}, {"endpoint": "InService"}, "", {}, "load"),
        ({"phase": "loading"}, {"load": "running"}, "", {"begun": 9.0}, ""),
        ({"phase": "loading", "begun": 5.0}, {"load": "running"}, "", {}, ""),
        ({"phase": "loading", "begun": 5.0}, {"load": "running"}, STOPPED, {}, "halt"),
        ({"phase": "loading"}, {"endpoint": "InService"}, STOPPED, {"phase": "leaving", "failure": STOPPED}, ""),
        (
            {"phase": "loading"},
            {"load": "ended", "outcome": GOOD},
            "",
            {"phase": "leaving", "outcome": GOOD, "over": 9.0},
            "",
        ),
        (
            {"phase": "loading"},
            {"load": "ended", "outcome": GOOD},
            LATE,
            {"phase": "leaving", "outcome": GOOD, "over": 9.0},
            "",
        ),
        (
            {"phase": "loading"},
            {"load": "ended", "outcome": GOOD},
            STOPPED,
            {"phase": "leaving", "outcome": GOOD, "over": 9.0, "failure": STOPPED},
            "",
        ),
        (
            {"phase": "loading"},
            {"load": "ended", "outcome": NONE},
            "",
            {
                "phase": "leaving",
                "outcome": NONE,
                "over": 9.0,
                "failure": "The endpoint did not answer the sample payload: 424 bad",
            },
            "",
        ),
        (
            {"phase": "loading"},
            {"load": "ended", "broken": "killed"},
            "",
            {"phase": "leaving", "over": 9.0, "failure": "killed"},
            "",
        ),
        (
            {"phase": "loading", "own": False},
            {},
            "",
            {"phase": "leaving", "failure": "Endpoint e is not in service."},
            "",
        ),
        ({"phase": "loading", "begun": 5.0}, {"load": "lost"}, "", {"attempt": 1, "begun": 0.0}, ""),
        (
            {"phase": "loading", "attempt": 3},
            {"load": "lost", "broken": "lost"},
            "",
            {"phase": "leaving", "over": 9.0, "failure": "lost"},
            "",
        ),
        ({"phase": "leaving"}, {"endpoint": "Deleting", "kept": True}, "", {}, "clear"),
        ({"phase": "leaving"}, {"kept": True}, "", {}, "clear"),
        ({"phase": "leaving"}, {"load": "ended"}, "", {}, "clear"),
        ({"phase": "leaving"}, {}, "", {"phase": "ended"}, ""),
        ({"phase": "leaving", "own": False}, {"endpoint": "InService"}, "", {"phase": "ended"}, ""),
        ({"phase": "ended"}, {}, STOPPED, {}, ""),
    ],
)
def test_decisions(before: dict[str, Any], sight: dict[str, Any], halt: str, changed: dict[str, Any], act: str) -> None:
    given = trial(**before)
    assert advance(given, Sight(**sight), 9.0, {}, halt) == (msgspec.structs.replace(given, **changed), act)


def test_so_many_at_once() -> None:
    given = tuple(trial(number=at, phase=phase) for at, phase in enumerate(["ended", "loading", "waiting", "waiting"]))
    assert active(given, 1, "") == {1}
    assert active(given, 2, "") == {1, 2}
    assert active(given, 1, STOPPED) == {1, 2, 3}


def test_conclusions() -> None:
    good, bad = trial(phase="ended", outcome=GOOD), trial(phase="ended", failure="why")
    assert conclusion((good, trial()), "IN_PROGRESS") is None
    assert conclusion((good, bad), "IN_PROGRESS") == ("COMPLETED", "")
    assert conclusion((bad, bad), "IN_PROGRESS") == ("FAILED", "No load test succeeded. why")
    assert conclusion((good,), "STOPPING") == ("STOPPED", "")
