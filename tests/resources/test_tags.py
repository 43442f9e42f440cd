"""Tags, on any record that has an ARN."""

from pathlib import Path
from typing import Any

import pytest

from clary.resources.store import Store
from clary.wire.errors import AwsError

from .calling import Caller
from .shapes import KINDS, SPECIAL


@pytest.fixture
def call(store: Store, tmp_path: Path) -> Caller:
    return Caller(store, tmp_path, KINDS, SPECIAL)


@pytest.fixture
def arn(call: Caller) -> str:
    return str(call("CreateModel", ModelName="m", ExecutionRoleArn="r")["ModelArn"])


def tags(**given: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in given.items()]


def refusal(call: Caller, operation: str, **request: Any) -> tuple[str, str]:
    with pytest.raises(AwsError) as caught:
        call(operation, **request)
    return caught.value.code, caught.value.message


def test_tags_are_added_replaced_and_deleted(call: Caller, arn: str) -> None:
    assert call("AddTags", ResourceArn=arn, Tags=tags(b="1", a="2")) == {"Tags": tags(a="2", b="1")}
    assert call("AddTags", ResourceArn=arn, Tags=tags(b="3")) == {"Tags": tags(a="2", b="3")}
    assert call("ListTags", ResourceArn=arn) == {"Tags": tags(a="2", b="3")}
    assert call("DeleteTags", ResourceArn=arn, TagKeys=["a", "absent"]) == {}
    assert call("ListTags", ResourceArn=arn) == {"Tags": tags(b="3")}


def test_a_resource_has_at_most_fifty(call: Caller, arn: str) -> None:
    fifty = tags(**{f"k{number:02}": "v" for number in range(50)})
    call("AddTags", ResourceArn=arn, Tags=fifty)
    assert refusal(call, "AddTags", ResourceArn=arn, Tags=tags(more="v"))[0] == "ResourceLimitExceeded"
    call("AddTags", ResourceArn=arn, Tags=tags(k07="new"))
    assert len(call("ListTags", ResourceArn=arn)["Tags"]) == 50


def test_tags_page(call: Caller, arn: str) -> None:
    call("AddTags", ResourceArn=arn, Tags=tags(**{f"k{number}": "v" for number in range(5)}))
    first = call("ListTags", ResourceArn=arn, MaxResults=3)
    second = call("ListTags", ResourceArn=arn, MaxResults=3, NextToken=first["NextToken"])
    assert [tag["Key"] for tag in first["Tags"] + second["Tags"]] == ["k0", "k1", "k2", "k3", "k4"]
    assert "NextToken" not in second
    assert refusal(call, "ListTags", ResourceArn=arn, NextToken="x") == ("ValidationException", "Invalid NextToken.")


@pytest.mark.parametrize("given", [tags(**{"aws:x": "1"}), tags(**{"AWS:x": "1"}), tags(a="1") + tags(a="2")])
def test_reserved_and_doubled_keys_are_refused(call: Caller, arn: str, given: list[dict[str, str]]) -> None:
    assert refusal(call, "AddTags", ResourceArn=arn, Tags=given)[0] == "ValidationException"
    refused = refusal(call, "CreateModel", ModelName="n", ExecutionRoleArn="r", Tags=given)
    assert refused[0] == "ValidationException"
    assert refusal(call, "DescribeModel", ModelName="n")[0] == "ValidationException"


def test_what_is_not_there_has_no_tags(call: Caller, arn: str) -> None:
    other = arn.replace("model/m", "model/x")
    for operation, more in (("AddTags", {"Tags": []}), ("ListTags", {}), ("DeleteTags", {"TagKeys": ["a"]})):
        refused = refusal(call, operation, ResourceArn=other, **more)
        assert refused == ("ValidationException", f'Could not find model "{other}".')
    call("DeleteModel", ModelName="m")
    assert refusal(call, "ListTags", ResourceArn=arn)[0] == "ValidationException"


def test_tags_go_with_their_resource(call: Caller, arn: str) -> None:
    call("AddTags", ResourceArn=arn, Tags=tags(a="1"))
    call("DeleteModel", ModelName="m")
    call("CreateModel", ModelName="m", ExecutionRoleArn="r", Tags=tags(b="2"))
    assert call("ListTags", ResourceArn=arn) == {"Tags": tags(b="2")}
