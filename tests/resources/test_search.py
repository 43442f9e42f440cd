"""Search over training jobs, and over a kind whose records are found by name."""

from pathlib import Path
from typing import Any

import pytest

from clary.resources.kinds import Kind
from clary.resources.machine import Machine
from clary.resources.store import Store
from clary.resources.verbs import create
from clary.wire.errors import AwsError

from .calling import Caller
from .conftest import Clock
from .shapes import KINDS, SPECIAL

START = 1_700_000_000.0
TRAINING_JOB = Kind(
    noun="TrainingJob",
    arn="training-job/{TrainingJobName}",
    machine=Machine(start="InProgress", edges={"InProgress": frozenset({"Completed"})}),
    verbs="describe",
)


@pytest.fixture
def call(store: Store, tmp_path: Path, clock: Clock) -> Caller:
    """Three jobs: a is oldest. Accuracies 0.7, 0.9 and none."""
    caller = Caller(store, tmp_path, [*KINDS, TRAINING_JOB], SPECIAL)
    for name, eta, accuracy in (("a", "0.1", 0.7), ("b", "0.25", 0.9), ("c", "3", None)):
        channels = [
            {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": f"s3://bucket/{name}"}}},
            {"ChannelName": "test", "DataSource": {"S3DataSource": {"S3Uri": "s3://bucket/shared"}}},
        ]
        metrics = [] if accuracy is None else [{"MetricName": "val:accuracy", "Value": accuracy, "Timestamp": START}]
        create(
            caller.context("CreateTrainingJob"),
            TRAINING_JOB,
            {
                "TrainingJobName": f"job-{name}",
                "HyperParameters": {"eta": eta, "dotted.key": name},
                "InputDataConfig": channels,
                "EnableManagedSpotTraining": name == "b",
                "Tags": [{"Key": "team.name", "Value": name}, {"Key": "all", "Value": "x"}],
            },
            FinalMetricDataList=metrics,
            BillableTimeInSeconds=ord(name),
        )
        clock.tick()
    return caller


def names(call: Caller, expression: dict[str, Any] | None = None, **request: Any) -> str:
    asked = {"Resource": "TrainingJob"} | ({} if expression is None else {"SearchExpression": expression}) | request
    found = ""
    while True:
        page = call("Search", **asked)
        found += "".join(result["TrainingJob"]["TrainingJobName"][-1] for result in page["Results"])
        if "NextToken" not in page:
            assert page["TotalHits"] == {"Value": len(found), "Relation": "EqualTo"}
            return found
        assert page["TotalHits"] == {"Value": len(found) + 1, "Relation": "GreaterThanOrEqualTo"}
        asked["NextToken"] = page["NextToken"]


def one(name: str, operator: str | None = None, value: str | None = None) -> dict[str, Any]:
    test = {"Name": name, "Operator": operator, "Value": value}
    return {"Filters": [{key: part for key, part in test.items() if part is not None}]}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (None, "cba"),
        (one("TrainingJobName", None, "job-b"), "b"),
        (one("TrainingJobName", "Equals", "job-b"), "b"),
        (one("TrainingJobName", "NotEquals", "job-b"), "ca"),
        (one("TrainingJobName", "Contains", "b-c"), "c"),
        (one("TrainingJobName", "In", "job-a, job-c,none"), "ca"),
        (one("TrainingJobStatus", "Equals", "Completed"), ""),
        (one("EnableManagedSpotTraining", "Equals", "true"), "b"),
        (one("BillableTimeInSeconds", "Equals", "98"), "b"),
        (one("BillableTimeInSeconds", "GreaterThan", "98"), "c"),
        (one("BillableTimeInSeconds", "GreaterThanOrEqualTo", "98.0"), "cb"),
        (one("BillableTimeInSeconds", "LessThan", "98"), "a"),
        (one("BillableTimeInSeconds", "LessThanOrEqualTo", "98"), "ba"),
        (one("CreationTime", "GreaterThan", "2023-11-14T22:13:20"), "cb"),
        (one("CreationTime", "LessThanOrEqualTo", "2023-11-14T22:13:20Z"), "a"),
        (one("HyperParameters.eta", "LessThan", "0.2"), "a"),
        (one("HyperParameters.eta", "GreaterThanOrEqualTo", "0"), "cba"),
        (one("HyperParameters.eta", "Equals", "0.25"), "b"),
        (one("HyperParameters.dotted.key", "Equals", "a"), "a"),
        (one("HyperParameters.eta", "Exists"), "cba"),
        (one("HyperParameters.none", "NotExists"), "cba"),
        (one("Metrics.val:accuracy", "GreaterThan", "0.8"), "b"),
        (one("Metrics.val:accuracy", "NotExists"), "c"),
        (one("Tags.team.name", "Equals", "c"), "c"),
        (one("Tags.other", "Exists"), ""),
        (one("InputDataConfig.DataSource.S3DataSource.S3Uri", "Contains", "bucket/b"), "b"),
        ({"Operator": "Or", "Filters": one("TrainingJobName", None, "job-a")["Filters"] * 2}, "a"),
        (
            {
                "Operator": "Or",
                "Filters": [{"Name": "TrainingJobName", "Value": "job-a"}],
                "SubExpressions": [one("Metrics.val:accuracy", "NotExists")],
            },
            "ca",
        ),
        (
            {
                "Filters": [{"Name": "Tags.all", "Value": "x"}],
                "SubExpressions": [
                    one("Metrics.val:accuracy", "Exists"),
                    one("HyperParameters.eta", "LessThan", "0.2"),
                ],
            },
            "a",
        ),
    ],
)
@pytest.mark.parametrize("most", [1, 100])
def test_expressions(call: Caller, expression: dict[str, Any] | None, expected: str, most: int) -> None:
    assert names(call, expression, MaxResults=most) == expected


@pytest.mark.parametrize(("channel", "expected"), [("train", "b"), ("test", "")])
def test_one_object_must_satisfy_a_whole_nested_filter(call: Caller, channel: str, expected: str) -> None:
    prefix = "InputDataConfig"
    tests = [
        {"Name": f"{prefix}.ChannelName", "Operator": "Equals", "Value": channel},
        {"Name": f"{prefix}.DataSource.S3DataSource.S3Uri", "Operator": "Contains", "Value": "bucket/b"},
    ]
    assert names(call, {"NestedFilters": [{"NestedPropertyName": prefix, "Filters": tests}]}) == expected


@pytest.mark.parametrize(
    ("sort", "order", "expected"),
    [
        ("CreationTime", "Ascending", "abc"),
        ("TrainingJobName", "Descending", "cba"),
        ("Metrics.val:accuracy", "Descending", "bac"),
        ("Metrics.val:accuracy", "Ascending", "cab"),
        ("BillableTimeInSeconds", "Ascending", "abc"),
        ("Tags.team.name", "Descending", "cba"),
    ],
)
@pytest.mark.parametrize("most", [1, 2, 100])
def test_orders(call: Caller, sort: str, order: str, expected: str, most: int) -> None:
    assert names(call, SortBy=sort, SortOrder=order, MaxResults=most) == expected


def test_a_result_is_the_whole_resource_with_its_tags(call: Caller) -> None:
    [result] = call("Search", Resource="TrainingJob", SearchExpression=one("TrainingJobName", None, "job-c"))["Results"]
    shown = result["TrainingJob"]
    assert shown["Tags"] == [{"Key": "all", "Value": "x"}, {"Key": "team.name", "Value": "c"}]
    assert shown["TrainingJobArn"] == "arn:aws:sagemaker:eu-west-1:111122223333:training-job/job-c"
    assert (shown["TrainingJobStatus"], shown["CreationTime"]) == ("InProgress", START + 2)


def test_visibility_hides_other_values_of_a_tag(call: Caller) -> None:
    assert names(call, VisibilityConditions=[{"Key": "Tags.team.name", "Value": "a"}]) == "a"
    assert names(call, VisibilityConditions=[{"Key": "Tags.other", "Value": "a"}]) == "cba"


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        (one("Nonsense", "Equals", "x"), "Unknown property name: Nonsense"),
        (one("BillableTimeInSeconds", "LessThan", "soon"), "neither a number nor a time"),
        (one("TrainingJobName", "Exists", "x"), "must not have a Value"),
        (one("TrainingJobName", "Contains"), "must have a Value"),
        ({"Filters": one("TrainingJobName", "Contains", "x")["Filters"] * 2}, "'CONTAINS' operator usage limit of 1"),
        ({"SubExpressions": [{"Filters": one("TrainingJobName", None, "x")["Filters"] * 20}] * 3}, "at most 50"),
    ],
)
def test_expressions_that_are_refused(call: Caller, expression: dict[str, Any], words: str) -> None:
    with pytest.raises(AwsError, match=words) as caught:
        names(call, expression)
    assert caught.value.code == "ValidationException"


def test_a_token_belongs_to_its_search(call: Caller) -> None:
    token = call("Search", Resource="TrainingJob", MaxResults=1)["NextToken"]
    with pytest.raises(AwsError, match="Invalid NextToken"):
        call("Search", Resource="TrainingJob", MaxResults=1, NextToken=token, SortOrder="Ascending")


def test_groups_are_found_by_name_and_unknown_kinds_are_empty(call: Caller) -> None:
    for name in ("g", "h"):
        call("CreateModelPackageGroup", ModelPackageGroupName=name)
    found = call("Search", Resource="ModelPackageGroup", SearchExpression=one("ModelPackageGroupName", None, "g"))
    assert [result["ModelPackageGroup"]["ModelPackageGroupName"] for result in found["Results"]] == ["g"]
    assert call("Search", Resource="Image") == {"Results": [], "TotalHits": {"Value": 0, "Relation": "EqualTo"}}


def test_other_accounts_find_nothing(call: Caller, store: Store, tmp_path: Path) -> None:
    other = Caller(store, tmp_path, [*KINDS, TRAINING_JOB], SPECIAL, account="999999999999")
    assert names(other) == ""


def test_suggestions_begin_with_the_hint(call: Caller) -> None:
    def suggested(hint: str) -> list[str]:
        query = {"PropertyNameQuery": {"PropertyNameHint": hint}}
        answer = call("GetSearchSuggestions", Resource="TrainingJob", SuggestionQuery=query)
        return [each["PropertyName"] for each in answer["PropertyNameSuggestions"]]

    assert suggested("TrainingJobS") == ["TrainingJobStatus"]
    assert suggested("HyperParameters.") == ["HyperParameters.dotted.key", "HyperParameters.eta"]
    assert suggested("Metrics") == ["Metrics.val:accuracy"]
    assert suggested("InputDataConfig.Channel") == ["InputDataConfig.ChannelName"]
    assert suggested("zz") == []
