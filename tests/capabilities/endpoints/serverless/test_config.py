"""What a ServerlessConfig may be, and what an instance gets of it."""

from typing import Any

import pytest

from clary.capabilities.endpoints.serverless import config
from clary.wire.errors import ValidationException

GIB = 1024**3
GOOD = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
MODEL = {"PrimaryContainer": {"Image": "i", "Mode": "SingleModel"}}


@pytest.mark.parametrize(
    ("changed", "model", "words"),
    [
        ({"InstanceType": "ml.m5.large"}, MODEL, "InstanceType"),
        ({"InitialInstanceCount": 1}, MODEL, "InitialInstanceCount"),
        ({"ServerlessConfig": GOOD | {"MemorySizeInMB": 1500}}, MODEL, "1024, 2048, 3072"),
        ({"ServerlessConfig": GOOD | {"ProvisionedConcurrency": 6}}, MODEL, "less than or equal to MaxConcurrency 5"),
        ({}, MODEL | {"EnableNetworkIsolation": True}, "Network isolation"),
        ({}, MODEL | {"VpcConfig": {"Subnets": ["s"]}}, "VPC configuration"),
        ({}, {"Containers": [{}, {}]}, "Inference pipelines"),
        ({}, {"PrimaryContainer": {"Mode": "MultiModel"}}, "Multi-model"),
    ],
)
def test_variants_that_cannot_be(changed: dict[str, Any], model: dict[str, Any], words: str) -> None:
    config.check_variant({"VariantName": "v", "ServerlessConfig": GOOD}, MODEL)
    with pytest.raises(ValidationException, match=words):
        config.check_variant({"VariantName": "v", "ServerlessConfig": GOOD} | changed, model)


@pytest.mark.parametrize(
    "changed",
    [
        {"ProductionVariants": [{"ServerlessConfig": GOOD}, {}]},
        {"ShadowProductionVariants": [{}]},
        {"DataCaptureConfig": {"DestinationS3Uri": "s3://b"}},
        {"EnableNetworkIsolation": True},
        {"KmsKeyId": "k"},
    ],
)
def test_configurations_that_cannot_be(changed: dict[str, Any]) -> None:
    given = {"ProductionVariants": [{"ServerlessConfig": GOOD}]}
    config.check(given)
    config.check({"ProductionVariants": [{}]} | {key: changed[key] for key in changed if key != "ProductionVariants"})
    with pytest.raises(ValidationException):
        config.check(given | changed)


def test_an_instance_gets_its_memory_and_a_part_of_the_processors() -> None:
    found = [config.limits({"MemorySizeInMB": size}) for size in (1024, 3072, 6144)]
    assert [(each.memory_bytes, each.cpus) for each in found] == [(GIB, 1.0), (3 * GIB, 1.0), (6 * GIB, 3.0)]


def test_first_instances() -> None:
    counts = [
        config.initial_count(each)
        for each in (
            {"InitialInstanceCount": 3},
            {"ServerlessConfig": GOOD},
            {"ServerlessConfig": GOOD | {"ProvisionedConcurrency": 4}},
        )
    ]
    assert counts == [3, 1, 4]


def test_updates_of_concurrency() -> None:
    production = {"VariantName": "v", "ServerlessConfig": GOOD}
    changed = config.updated(production, {"ProvisionedConcurrency": 2})
    assert changed == {"VariantName": "v", "ServerlessConfig": GOOD | {"ProvisionedConcurrency": 2}}
    with pytest.raises(ValidationException, match="less than or equal"):
        config.updated(changed, {"MaxConcurrency": 1})
    with pytest.raises(ValidationException, match="not a serverless variant"):
        config.updated({"VariantName": "v"}, {"MaxConcurrency": 1})
