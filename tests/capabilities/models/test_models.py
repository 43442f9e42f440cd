"""CreateModel's and CreateEndpointConfig's checks and words, asked by unmodified boto3."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.servers import Clary

ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
DATA = "s3://artefacts/model.tar.gz"
ARN = "arn:aws:sagemaker:us-east-1:123456789012"


@pytest.fixture(scope="module")
def sagemaker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with Clary(tmp_path_factory.mktemp("models") / "home") as clary:
        s3 = clary.start().client("s3")
        s3.create_bucket(Bucket="artefacts")
        s3.put_object(Bucket="artefacts", Key="model.tar.gz", Body=b"not looked into")
        client = clary.client("sagemaker")
        create(client, "there")
        yield client


def source(**members: str) -> dict[str, Any]:
    return {"S3DataSource": {"S3Uri": DATA, "S3DataType": "S3Object", "CompressionType": "Gzip", **members}}


def more(data: dict[str, Any], names: tuple[str, ...] = ("draft",)) -> dict[str, Any]:
    return {"AdditionalModelDataSources": [{"ChannelName": name, **data} for name in names]}


def create(sagemaker: Any, name: str, **container: Any) -> str:
    primary = {"Image": XGBOOST, "ModelDataUrl": DATA} | container
    answer = sagemaker.create_model(ModelName=name, PrimaryContainer=primary, ExecutionRoleArn=ROLE)
    return str(answer["ModelArn"])


def refusal(call: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_model_is_created_described_listed_and_deleted(sagemaker: Any) -> None:
    additional = more(source(), names=("draft", "..draft"))
    assert create(sagemaker, "mine", Environment={"A": "b"}, **additional) == f"{ARN}:model/mine"
    described = sagemaker.describe_model(ModelName="mine")
    assert described["PrimaryContainer"] == {
        "Image": XGBOOST,
        "Mode": "SingleModel",
        "ModelDataUrl": DATA,
        "Environment": {"A": "b"},
        **additional,
    }
    assert (described["EnableNetworkIsolation"], described["ExecutionRoleArn"]) == (False, ROLE)
    assert [each["ModelName"] for each in sagemaker.list_models(NameContains="min")["Models"]] == ["mine"]
    sagemaker.delete_model(ModelName="mine")
    missing = refusal(lambda: sagemaker.describe_model(ModelName="mine"))
    assert missing == ("ValidationException", f'Could not find model "{ARN}:model/mine".')


def test_taken_name(sagemaker: Any) -> None:
    code, message = refusal(lambda: create(sagemaker, "there"))
    assert (code, message) == ("ValidationException", f'Cannot create already existing model "{ARN}:model/there".')


@pytest.mark.parametrize(
    ("container", "code", "words"),
    [
        ({"ModelDataUrl": "s3://artefacts/absent.tar.gz"}, "ValidationException", "Could not find model data at s3://"),
        ({"ModelDataUrl": "s3://nobodys/model.tar.gz"}, "ValidationException", "Could not find model data at s3://"),
        ({"Image": "me/mine:1"}, "ValidationException", "Requested image me/mine:1 not found"),
        ({"Mode": "MultiModel", "ModelDataUrl": "s3://nobodys/m/"}, "ValidationException", "Could not find model data"),
        ({"MultiModelConfig": {"ModelCacheSetting": "Disabled"}}, "ValidationException", "the mode MultiModel"),
        ({"InferenceSpecificationName": "i"}, "NotImplemented", "InferenceSpecificationName"),
        ({"ModelPackageName": "p"}, "NotImplemented", "ModelPackageName in a container definition is not supported"),
        ({"ModelDataSource": source()}, "ValidationException", "either ModelDataUrl or ModelDataSource"),
        (more(source(ManifestS3Uri="s3://a/b")), "NotImplemented", "ManifestS3Uri in an S3DataSource of a model"),
        (more(source(S3Uri="s3://artefacts/absent")), "ValidationException", "Could not find model data at s3://"),
        (more(source(), names=("a", "a")), "ValidationException", "ChannelName"),
        (more(source(), names=("..",)), "ValidationException", "The ChannelName .. of AdditionalModelDataSources"),
    ],
)
def test_container_that_cannot_work(sagemaker: Any, container: dict[str, Any], code: str, words: str) -> None:
    found, message = refusal(lambda: create(sagemaker, "refused", **container))
    assert (found, words in message) == (code, True), message


def test_several_containers_are_kept_and_their_names_are_all_or_none(sagemaker: Any) -> None:
    def make(name: str, *hosts: str | None, **members: Any) -> Any:
        given = [
            {"Image": XGBOOST, "ModelDataUrl": DATA} | ({"ContainerHostname": host} if host else {}) for host in hosts
        ]
        return sagemaker.create_model(ModelName=name, Containers=given, ExecutionRoleArn=ROLE, **members)

    make("pair", "a", "b", InferenceExecutionConfig={"Mode": "Direct"})
    described = sagemaker.describe_model(ModelName="pair")
    assert [each["ContainerHostname"] for each in described["Containers"]] == ["a", "b"]
    assert (described["InferenceExecutionConfig"], "PrimaryContainer" in described) == ({"Mode": "Direct"}, False)
    make("unnamed", None, None)
    assert "every one" in refusal(lambda: make("some", "a", None))[1]
    assert "unique" in refusal(lambda: make("same", "a", "a"))[1]
    assert refusal(lambda: make("none"))[1].startswith("Specify either PrimaryContainer or Containers")


def test_role_that_does_not_exist(sagemaker: Any) -> None:
    role = ROLE.replace("SageMakerRole", "Nobody")
    container = {"Image": XGBOOST, "ModelDataUrl": DATA}
    code, message = refusal(
        lambda: sagemaker.create_model(ModelName="r", PrimaryContainer=container, ExecutionRoleArn=role)
    )
    assert (code, "Could not assume role" in message) == ("ValidationException", True)


def config(sagemaker: Any, name: str = "config", variant: dict[str, Any] | None = None, **members: Any) -> None:
    whole = {"VariantName": "v", "ModelName": "there", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    variants = [{key: value for key, value in (whole | (variant or {})).items() if value is not None}]
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants, **members)


def test_config_fills_defaults_and_is_found_by_name(sagemaker: Any) -> None:
    config(sagemaker, "found")
    described = sagemaker.describe_endpoint_config(EndpointConfigName="found")
    [variant] = described["ProductionVariants"]
    assert (variant["InitialVariantWeight"], variant["InitialInstanceCount"]) == (1.0, 1)
    taken = refusal(lambda: config(sagemaker, "found"))
    assert taken[1] == f'Cannot create already existing endpoint configuration "{ARN}:endpoint-config/found".'
    sagemaker.delete_endpoint_config(EndpointConfigName="found")
    missing = refusal(lambda: sagemaker.describe_endpoint_config(EndpointConfigName="found"))
    assert missing[1] == f'Could not find endpoint configuration "{ARN}:endpoint-config/found".'


EXPLAINER = {"ShapConfig": {"ShapBaselineConfig": {}}}


@pytest.mark.parametrize(
    ("members", "code", "words"),
    [
        ({"variant": {"ModelName": "nobody"}}, "ValidationException", "Could not find model"),
        ({"variant": {"ModelName": None}}, "ValidationException", "ExecutionRoleArn is required"),
        ({"ExplainerConfig": {"ClarifyExplainerConfig": EXPLAINER}}, "NotImplemented", "Online explanations"),
    ],
)
def test_config_that_is_refused(sagemaker: Any, members: dict[str, Any], code: str, words: str) -> None:
    found, message = refusal(lambda: config(sagemaker, **members))
    assert (found, words in message) == (code, True), message


def test_endpoint_needs_its_configuration(sagemaker: Any) -> None:
    created = refusal(lambda: sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="nobody"))
    assert created == (
        "ValidationException",
        f'Could not find endpoint configuration "{ARN}:endpoint-config/nobody".',
    )
    for call in (sagemaker.describe_endpoint, sagemaker.delete_endpoint):
        missing = refusal(lambda call=call: call(EndpointName="e"))  # type: ignore[misc]
        assert missing == ("ValidationException", f'Could not find endpoint "{ARN}:endpoint/e".')
