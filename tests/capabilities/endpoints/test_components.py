"""Inference components: two models share the instance of an endpoint, are called by name, updated and scaled."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.capabilities.endpoints.account import CSV, ROLE, SECONDS, SKLEARN, Account, Load
from tests.capabilities.endpoints.test_artefacts import tarball
from tests.servers import Clary, wait_until

SETTINGS = {"empty_instance_seconds": "0", "host_metrics_seconds": "1"}
SCRIPT = "def model_fn(d):\n    return 0\n\ndef transform_fn(m, body, kind, accept):\n    return {answer!r}\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clary]:
    with Clary(tmp_path_factory.mktemp("components") / "home", **SETTINGS) as clary:
        yield clary.start()


@pytest.fixture(scope="module")
def shared(account: Account) -> Account:
    """Endpoint `shared`: one or two instances of 2 vCPU and 8 GiB, and no model."""
    hosts = [
        {
            "VariantName": "hosts",
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
            "ManagedInstanceScaling": {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 2},
        }
    ]
    account.sagemaker.create_endpoint_config(
        EndpointConfigName="shared", ProductionVariants=hosts, ExecutionRoleArn=ROLE
    )
    assert account.create("shared", "shared")["EndpointStatus"] == "InService"
    return account


def component(account: Account, name: str, megabytes: int = 512, copies: int = 1, **given: Any) -> dict[str, Any]:
    account.sagemaker.create_inference_component(
        InferenceComponentName=name,
        EndpointName="shared",
        VariantName="hosts",
        Specification=specification(megabytes, **given),
        RuntimeConfig={"CopyCount": copies},
    )
    return settled(account, name)


def specification(megabytes: int, **given: Any) -> dict[str, Any]:
    return {"ComputeResourceRequirements": {"MinMemoryRequiredInMb": megabytes}, **given}


def settled(account: Account, name: str) -> dict[str, Any]:
    def look() -> dict[str, Any]:
        found: dict[str, Any] = account.sagemaker.describe_inference_component(InferenceComponentName=name)
        return found

    wait_until(lambda: look()["InferenceComponentStatus"] in ("InService", "Failed"), SECONDS, lambda: str(look()))
    return look()


def copies(described: dict[str, Any]) -> tuple[str, int, int]:
    runtime = described["RuntimeConfig"]
    return described["InferenceComponentStatus"], runtime["DesiredCopyCount"], runtime["CurrentCopyCount"]


def instances(account: Account) -> tuple[int, int]:
    (hosts,) = account.sagemaker.describe_endpoint(EndpointName="shared")["ProductionVariants"]
    assert hosts["ManagedInstanceScaling"]["MaxInstanceCount"] == 2
    return hosts["DesiredInstanceCount"], hosts["CurrentInstanceCount"]


def measured(account: Account, dimensions: list[dict[str, str]]) -> set[str]:
    found = account.cloudwatch.list_metrics(Namespace="/aws/sagemaker/InferenceComponents", Dimensions=dimensions)
    return {metric["MetricName"] for metric in found["Metrics"]}


def refusal(call: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def script(account: Account, folder: Path, answer: str) -> dict[str, Any]:
    made = tarball(folder / f"{answer}.tar.gz", {"code/inference.py": SCRIPT.format(answer=answer).encode()})
    account.s3.upload_file(str(made), "models", f"components/{answer}.tar.gz")
    return {"Container": {"Image": SKLEARN, "ArtifactUrl": f"s3://models/components/{answer}.tar.gz"}}


def test_journey_of_two_components_on_one_instance(shared: Account, made: tuple[Path, float], tmp_path: Path) -> None:
    trees = component(shared, "trees", ModelName="m")
    assert copies(trees) == ("InService", 1, 1), trees
    words = component(shared, "words", **script(shared, tmp_path, "old"))
    assert (copies(words), words["Specification"]["Container"]["DeployedImage"]["SpecifiedImage"]) == (
        ("InService", 1, 1),
        SKLEARN,
    )
    listed = shared.sagemaker.list_inference_components(EndpointNameEquals="shared", SortBy="Name")
    assert {each["InferenceComponentName"] for each in listed["InferenceComponents"]} == {"words", "trees"}

    def call(name: str) -> bytes:
        return shared.invoke("shared", InferenceComponentName=name)

    assert (float(call("trees")), call("words")) == (pytest.approx(made[1], rel=1e-5), b"old")
    assert "Inference Component Name header is required" in refusal(lambda: shared.invoke("shared"))[1]
    assert refusal(lambda: call("nobody"))[0] == "ValidationError"

    with Load(lambda: call("words"), threads=2) as load:
        load.more(5)
        shared.sagemaker.update_inference_component(
            InferenceComponentName="words", Specification=specification(512, **script(shared, tmp_path, "new"))
        )
        updated = settled(shared, "words")
        wait_until(lambda: load.answers[-1] == b"new")
    assert (copies(updated), load.errors, set(load.answers)) == (("InService", 1, 1), [], {b"old", b"new"})
    assert call("words") == b"new"

    change = shared.sagemaker.update_inference_component_runtime_config
    change(InferenceComponentName="words", DesiredRuntimeConfig={"CopyCount": 2})
    assert copies(settled(shared, "words")) == ("InService", 2, 2)
    change(InferenceComponentName="words", DesiredRuntimeConfig={"CopyCount": 0})
    assert copies(settled(shared, "words")) == ("InService", 0, 0)
    wait_until(lambda: "has no capacity" in _told(lambda: call("words")))
    change(InferenceComponentName="words", DesiredRuntimeConfig={"CopyCount": 1})
    assert copies(settled(shared, "words")) == ("InService", 1, 1)
    wait_until(lambda: not _told(lambda: call("words")))

    # There is one copy of each: 8 GiB less 1 GiB has no room for 7.5: another instance comes, the last one.
    assert instances(shared) == (1, 1)
    by_type = [
        {"InstanceType": "ml.m5.large", **specification(7680, ModelName="m")},
        {"InstanceType": "ml.g5.xlarge", **specification(20000, ModelName="m")},
    ]
    shared.sagemaker.create_inference_component(
        InferenceComponentName="large",
        EndpointName="shared",
        VariantName="hosts",
        Specifications=by_type,
        RuntimeConfig={"CopyCount": 1},
    )
    large = settled(shared, "large")
    assert (copies(large), instances(shared), "Specification" in large) == (("InService", 1, 1), (2, 2), False), large
    assert [each["InstanceType"] for each in large["Specifications"]] == ["ml.m5.large", "ml.g5.xlarge"]
    second = component(shared, "second", 7936, ModelName="m")
    assert (copies(second)[0], second["FailureReason"].split(" on ")[0]) == (
        "Failed",
        "There is not enough hardware resources",
    )
    adapter = {"InferenceComponentName": "trees", "Specification": {"BaseInferenceComponentName": "words"}}
    code, message = refusal(lambda: shared.sagemaker.update_inference_component(**adapter))
    assert (code, "(BaseInferenceComponentName) are not supported" in message) == ("NotImplemented", True)
    change(InferenceComponentName="trees", DesiredRuntimeConfig={"CopyCount": 40})
    assert copies(settled(shared, "trees")) == ("InService", 1, 1)
    shared.sagemaker.delete_inference_component(InferenceComponentName="large")
    wait_until(lambda: instances(shared) == (1, 1), otherwise=lambda: str(instances(shared)))

    dimensions = [{"Name": "InferenceComponentName", "Value": "trees"}]
    wait_until(lambda: measured(shared, dimensions) == {"CPUUtilizationNormalized", "MemoryUtilizationNormalized"})

    code, message = refusal(lambda: shared.sagemaker.delete_endpoint(EndpointName="shared"))
    assert (code, "with inference components" in message) == ("ValidationException", True)
    for name in ("trees", "words", "second"):
        shared.sagemaker.delete_inference_component(InferenceComponentName=name)
    wait_until(lambda: not shared.sagemaker.list_inference_components()["InferenceComponents"])
    shared.delete("shared")


def _told(call: Any) -> str:
    """Why a call is refused; nothing where it is answered, as it may be for a moment after a change."""
    try:
        call()
    except ClientError as error:
        return str(error)
    return ""


def test_component_needs_an_endpoint_without_models(account: Account) -> None:
    account.create("ordinary")
    made = {
        "InferenceComponentName": "x",
        "VariantName": "v-m",
        "Specification": specification(512, ModelName="m"),
        "RuntimeConfig": {"CopyCount": 1},
    }
    create = account.sagemaker.create_inference_component
    assert "without ModelName" in refusal(lambda: create(EndpointName="ordinary", **made))[1]
    assert "Could not find endpoint" in refusal(lambda: create(EndpointName="nobody", **made))[1]
    asked = {**CSV, "EndpointName": "ordinary", "InferenceComponentName": "x"}
    assert refusal(lambda: account.runtime.invoke_endpoint(**asked))[0] == "ValidationError"
    account.delete("ordinary")
