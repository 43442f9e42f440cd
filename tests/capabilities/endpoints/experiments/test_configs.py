"""Which configuration an endpoint gets while an experiment runs, and when it is over."""

from typing import Any

import pytest

from clary.capabilities.endpoints.experiments import configs

ROLE = "arn:aws:iam::123456789012:role/r"


def infrastructure(name: str, count: int = 1) -> dict[str, Any]:
    real = {"InstanceType": "ml.m5.large", "InstanceCount": count}
    told = {"InfrastructureType": "RealTimeInference", "RealTimeInferenceConfig": real}
    return {"ModelName": f"m-{name}", "VariantName": name, "InfrastructureConfig": told}


def variant(name: str, weight: float = 1.0, count: int = 1) -> dict[str, Any]:
    return {
        "VariantName": name,
        "ModelName": f"m-{name}",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": count,
        "InitialVariantWeight": weight,
    }


SPEC = {
    "RoleArn": ROLE,
    "ModelVariants": [infrastructure("main"), infrastructure("dark")],
    "ShadowModeConfig": {
        "SourceModelVariantName": "main",
        "ShadowModelVariants": [{"ShadowModelVariantName": "dark", "SamplingPercentage": 40}],
    },
}
BEFORE = {"DestinationS3Uri": "s3://before"}


def test_while_it_runs_the_shadow_gets_its_part() -> None:
    assert configs.running(SPEC, None) == {
        "ProductionVariants": [variant("main")],
        "ShadowProductionVariants": [variant("dark", 0.4)],
        "ExecutionRoleArn": ROLE,
    }
    assert configs.running(SPEC, BEFORE)["DataCaptureConfig"] == BEFORE
    stored = {"Destination": "s3://b/p", "ContentType": {"CsvContentTypes": ["text/csv"]}, "KmsKey": "k"}
    assert configs.running({**SPEC, "DataStorageConfig": stored}, BEFORE)["DataCaptureConfig"] == {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": "s3://b/p",
        "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
        "KmsKeyId": "k",
    }


@pytest.mark.parametrize(
    ("actions", "production", "shadows"),
    [
        ({}, ["main"], None),
        ({"main": "Retain", "dark": "Remove"}, ["main"], None),
        ({"main": "Remove", "dark": "Promote"}, ["dark"], None),
        ({"dark": "Promote"}, ["main", "dark"], None),
        ({"dark": "Retain"}, ["main"], [variant("dark", 0.4)]),
    ],
)
def test_when_it_is_over_each_variant_has_what_was_chosen(
    actions: dict[str, str], production: list[str], shadows: Any
) -> None:
    made = configs.over(SPEC, actions, [], BEFORE)
    assert made["ProductionVariants"] == [variant(name) for name in production]
    assert (made.get("ShadowProductionVariants"), made["DataCaptureConfig"]) == (shadows, BEFORE)
    assert configs.problem(SPEC, actions) == ""


def test_variants_may_be_wanted_otherwise_at_the_end() -> None:
    made = configs.over(SPEC, {"main": "Remove", "dark": "Promote"}, [infrastructure("dark", 3)], None)
    assert made["ProductionVariants"] == [variant("dark", count=3)]


@pytest.mark.parametrize(
    ("actions", "why"),
    [
        ({"other": "Remove"}, "Variant other is not part of the inference experiment."),
        ({"main": "Promote"}, "Variant main is a production variant already and cannot be promoted."),
        ({"main": "Remove"}, "At least one variant must remain or become a production variant."),
        ({"main": "Remove", "dark": "Retain"}, "At least one variant must remain or become a production variant."),
    ],
)
def test_what_leaves_no_endpoint_is_refused(actions: dict[str, str], why: str) -> None:
    assert configs.problem(SPEC, actions) == why
