"""Debugger's and Profiler's settings."""

from typing import Any

import pytest
from tests.capabilities.training.journey import BUCKET, Journey

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


WRITE = """
import json, os
for name in ("debughook", "profiler", "tensorboardoutput"):
    place = json.load(open(f"/opt/ml/input/config/{name}config.json"))["LocalPath"]
    print(name, place)
    os.makedirs(place + "/events")
    open(place + "/events/" + name, "w").write("of one step")
    open(place + "/" + name + ".tmp", "w").close()
    os.rename(place + "/" + name + ".tmp", place + "/" + name)
open(os.environ["SM_OUTPUT_INTERMEDIATE_DIR"] + "/early", "w").write("1")
"""


def test_a_job_finds_its_settings_and_what_is_written_by_them_goes_to_s3(journey: Journey) -> None:
    place = {"S3OutputPath": f"s3://{BUCKET}/debugged"}
    more = {
        "DebugHookConfig": place,
        "ProfilerConfig": PROFILER | place,
        "TensorBoardOutputConfig": {**place, "LocalPath": "/opt/tensorboard/here"},
        "DebugRuleConfigurations": [rule("loss")],
    }
    given = {"sagemaker_s3_output": f'"s3://{BUCKET}/debugged/"'}
    found = journey.run("debugged", script=WRITE, hyperparameters=given, **more)
    assert found["TrainingJobStatus"] == "Completed", journey.told("debugged")
    assert {name: found[name] for name in more} == more
    assert (found["ProfilingStatus"], "DebugRuleEvaluationStatuses" in found) == ("Disabled", False)
    lines = journey.log("debugged")
    tensors, profiler = "debughook /opt/ml/output/tensors", "profiler /opt/ml/output/profiler"
    assert {tensors, profiler, "tensorboardoutput /opt/tensorboard/here"} <= set(lines)
    listed = journey.s3.list_objects_v2(Bucket=BUCKET, Prefix="debugged/debugged/")["Contents"]
    assert [each["Key"].removeprefix("debugged/debugged/") for each in listed] == [
        *("debug-output/debughook", "debug-output/events/debughook", "output/intermediate/early"),
        *("profiler-output/events/profiler", "profiler-output/profiler"),
        *("tensorboard-output/events/tensorboardoutput", "tensorboard-output/tensorboardoutput"),
    ]


def rule(name: str) -> dict[str, str]:
    return {"RuleConfigurationName": name, "RuleEvaluatorImage": "image"}


@pytest.mark.parametrize(
    "spec",
    [
        {"ProfilerConfig": {"ProfilingIntervalInMilliseconds": 300}},
        {"DebugRuleConfigurations": [rule("one"), rule("one")]},
        {"DebugHookConfig": {**HOOK, "LocalPath": "/opt/ml/../../etc"}},
        {"TensorBoardOutputConfig": {"S3OutputPath": "https://example.com/x"}},
        {"ProfilerRuleConfigurations": [rule("one"), rule("one")]},
    ],
)
def test_bad_settings_are_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(ValidationException):
        check(spec)


def test_good_settings_pass() -> None:
    check({"ProfilerConfig": PROFILER, "DebugRuleConfigurations": [rule("one"), rule("two")]})
