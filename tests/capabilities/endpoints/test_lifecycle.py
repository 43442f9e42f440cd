"""What each operation answers in each status, and what lists and descriptions show."""

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.capabilities.endpoints.account import XGBOOST, Account

ARN = "arn:aws:sagemaker:us-east-1:123456789012:endpoint"


def refusal(call: Any, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_nothing_but_describe_while_in_progress(account: Account) -> None:
    client = account.sagemaker
    busy = ("ValidationException", f'Cannot update in-progress endpoint "{ARN}/busy".')
    update = {"EndpointName": "busy", "EndpointConfigName": "c"}
    weights = {"EndpointName": "busy", "DesiredWeightsAndCapacities": [{"VariantName": "v-m", "DesiredWeight": 2.0}]}
    for begin, status in ((client.create_endpoint, "Creating"), (client.update_endpoint, "Updating")):
        with account.held():
            begin(**update)
            assert account.status("busy") == status
            assert refusal(client.delete_endpoint, EndpointName="busy") == busy
            assert refusal(client.update_endpoint, **update) == busy
            assert refusal(client.update_endpoint_weights_and_capacities, **weights) == busy
        account.await_status("busy", "InService")
    assert refusal(account.runtime.invoke_endpoint, EndpointName="busy2", Body=b"")[0] == "ValidationError"
    account.delete("busy")


def test_failed_endpoint_can_only_be_deleted(account: Account) -> None:
    account.model("lost", XGBOOST, account.artefact)
    account.config("lost", "lost")
    account.s3.delete_object(Bucket="models", Key="lost/model.tar.gz")
    described = account.create("lost", "lost")
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("Failed", "lost")
    assert described["FailureReason"].startswith('Failed to download model data for container "container_1" from URL:')
    code, _ = refusal(account.sagemaker.update_endpoint, EndpointName="lost", EndpointConfigName="c")
    assert code == "ValidationException"
    account.delete("lost")


def test_update_to_a_configuration_that_is_missing_changes_nothing(account: Account) -> None:
    before = account.create("steady")
    missing = refusal(account.sagemaker.update_endpoint, EndpointName="steady", EndpointConfigName="nobody")
    assert missing[1].startswith("Could not find endpoint configuration")
    after = account.sagemaker.describe_endpoint(EndpointName="steady")
    assert {**after, "ResponseMetadata": 0} == {**before, "ResponseMetadata": 0}
    account.delete("steady")


def test_update_keeps_what_it_is_told_to_and_moves_the_time(account: Account) -> None:
    before = account.create("times")
    weights = [{"VariantName": "v-m", "DesiredWeight": 7.0}]
    account.sagemaker.update_endpoint_weights_and_capacities(EndpointName="times", DesiredWeightsAndCapacities=weights)
    account.await_status("times", "InService")
    account.config("times", "m", InitialVariantWeight=2.0)
    update = {"EndpointName": "times", "EndpointConfigName": "times", "RetainAllVariantProperties": True}
    with account.held():
        account.sagemaker.update_endpoint(**update)
        during = account.sagemaker.describe_endpoint(EndpointName="times")
    assert (during["EndpointConfigName"], during["PendingDeploymentSummary"]["EndpointConfigName"]) == ("c", "times")
    after = account.await_status("times", "InService")
    [variant] = after["ProductionVariants"]
    assert (after["EndpointConfigName"], variant["CurrentWeight"], variant["DesiredWeight"]) == ("times", 7.0, 7.0)
    assert after["CreationTime"] == before["CreationTime"]
    assert after["LastModifiedTime"] > before["LastModifiedTime"]
    assert "FailureReason" not in after
    with account.held():
        account.sagemaker.delete_endpoint(EndpointName="times")
        deleting = account.sagemaker.describe_endpoint(EndpointName="times")
    assert (deleting["EndpointStatus"], deleting["EndpointConfigName"]) == ("Deleting", "times")


def names(account: Account, **filters: Any) -> list[str]:
    return [each["EndpointName"] for each in account.sagemaker.list_endpoints(**filters)["Endpoints"]]


def test_lists_filter_and_sort(account: Account) -> None:
    first, second = account.create("list-b"), account.create("list-a")
    assert names(account, NameContains="list", SortBy="Name", SortOrder="Ascending") == ["list-a", "list-b"]
    assert names(account, NameContains="list", SortBy="CreationTime", SortOrder="Ascending") == ["list-b", "list-a"]
    assert names(account, NameContains="list", StatusEquals="Creating") == []
    assert names(account, NameContains="list", StatusEquals="InService", MaxResults=1) in (["list-a"], ["list-b"])
    between = first["CreationTime"] + timedelta(milliseconds=1)
    assert names(account, NameContains="list", CreationTimeAfter=between) == ["list-a"]
    assert names(account, NameContains="list", LastModifiedTimeBefore=first["CreationTime"]) == []
    [shown] = account.sagemaker.list_endpoints(NameContains="list-a")["Endpoints"]
    assert shown == {
        "EndpointName": "list-a",
        "EndpointArn": f"{ARN}/list-a",
        "EndpointStatus": "InService",
        "CreationTime": second["CreationTime"],
        "LastModifiedTime": second["LastModifiedTime"],
    }
    for name in ("list-a", "list-b"):
        account.delete(name)


@pytest.mark.parametrize("name", ["under_score", "-first", "a" * 64, "dot.dot"])
def test_name_that_is_none(account: Account, name: str) -> None:
    code, message = refusal(account.sagemaker.create_endpoint, EndpointName=name, EndpointConfigName="c")
    assert (code, "endpointName" in message) == ("ValidationException", True)


EXPLAINER = {"ClarifyExplainerConfig": {"ShapConfig": {"ShapBaselineConfig": {"ShapBaseline": "1"}}}}


@pytest.mark.parametrize(
    ("word", "members", "more"),
    [
        ("ExplainerConfig", {"ExplainerConfig": EXPLAINER}, {}),
        ("KV_AWARE", {}, {"RoutingConfig": {"RoutingStrategy": "KV_AWARE"}}),
    ],
)
def test_configuration_that_is_not_built_is_refused_by_name(
    account: Account, word: str, members: dict[str, Any], more: dict[str, Any]
) -> None:
    variant = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1} | more
    code, message = refusal(
        account.sagemaker.create_endpoint_config, EndpointConfigName="no", ProductionVariants=[variant], **members
    )
    assert (code, word in message) == ("NotImplemented", True)
