"""Debugger's and Profiler's settings."""

from typing import Any

import pytest
from tests.capabilities.training.journey import Journey

from clary.capabilities.training.debugging import check, files
from clary.wire.errors import ValidationException

HOOK = {"S3OutputPath": "s3://bucket/tensors"}
PROFILER = {"S3OutputPath": "s3://bucket/profile", "ProfilingIntervalInMilliseconds": 200}


def test_what_the_container_is_told() -> None:
    assert files({}) == {}
    assert files({"DebugHookConfig": HOOK, "ProfilerConfig": PROFILER, "TensorBoardOutputConfig": HOOK}) == {
        "debughookconfig.json": {
            "S3OutputPath": "s3://bucket/tensors",
            "LocalPath": "/opt/ml/output/tensors",
            "HookParameters": None,
            "CollectionConfigurations": None,
        },
        "profilerconfig.json": {
            "S3OutputPath": "s3://bucket/profile",
            "LocalPath": "/opt/ml/output/profiler",
            "ProfilingIntervalInMilliseconds": 200,
            "ProfilingParameters": {},
        },
        "tensorboardoutputconfig.json": {
            "LocalPath": "/opt/ml/output/tensorboard",
            "S3OutputPath": "s3://bucket/tensors",
        },
    }


def test_a_disabled_profiler_is_told_nothing() -> None:
    assert files({"ProfilerConfig": {"DisableProfiler": True}}) == {}


READ = """
import json
for name in ("debughookconfig", "profilerconfig"):
    print(name, json.load(open(f"/opt/ml/input/config/{name}.json"))["LocalPath"])
"""


def test_a_job_finds_its_settings_and_has_no_statuses_of_rules(journey: Journey) -> None:
    more = {"DebugHookConfig": HOOK, "ProfilerConfig": PROFILER, "DebugRuleConfigurations": [rule("loss")]}
    found = journey.run("debugged", script=READ, **more)
    assert found["TrainingJobStatus"] == "Completed", journey.told("debugged")
    assert {name: found[name] for name in more} == more
    assert (found["ProfilingStatus"], "DebugRuleEvaluationStatuses" in found) == ("Disabled", False)
    lines = journey.log("debugged")
    assert {"debughookconfig /opt/ml/output/tensors", "profilerconfig /opt/ml/output/profiler"} <= set(lines)


def rule(name: str) -> dict[str, str]:
    return {"RuleConfigurationName": name, "RuleEvaluatorImage": "image"}


@pytest.mark.parametrize(
    "spec",
    [
        {"ProfilerConfig": {"ProfilingIntervalInMilliseconds": 300}},
        {"DebugRuleConfigurations": [rule("one"), rule("one")]},
        {"ProfilerRuleConfigurations": [rule("one"), rule("one")]},
    ],
)
def test_bad_settings_are_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(ValidationException):
        check(spec)


def test_good_settings_pass() -> None:
    check({"ProfilerConfig": PROFILER, "DebugRuleConfigurations": [rule("one"), rule("two")]})
