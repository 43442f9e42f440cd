"""Lists: every filter, order and token of the model's List shapes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.loaders
import pytest

from clary.resources.kinds import Kind
from clary.resources.listing import is_quick
from clary.resources.sorts import default_order, default_sort
from clary.resources.store import Store
from clary.resources.verbs import edit, find
from clary.wire.errors import AwsError

from .calling import Caller
from .conftest import Clock
from .shapes import KINDS, PROCESSING_JOB, SPECIAL

START = 1_700_000_000.0


@pytest.fixture
def call(store: Store, tmp_path: Path, clock: Clock) -> Caller:
    """Ten jobs, a second apart: odd ones completed a minute later, last first."""
    caller = Caller(store, tmp_path, KINDS, SPECIAL)
    for number in range(10):
        caller("CreateProcessingJob", ProcessingJobName=f"job-{number}", RoleArn="r", AppSpecification={})
        clock.tick()
    clock.tick(60)
    context = caller.context("StopProcessingJob")
    for number in (9, 7, 5, 3, 1):
        with edit(context, find(context, PROCESSING_JOB, f"job-{number}")) as change:
            change.become("Completed")
        clock.tick()
    return caller


def pages(call: Caller, operation: str, **request: Any) -> Iterator[list[dict[str, Any]]]:
    while True:
        page = call(operation, **request)
        yield next(value for value in page.values() if isinstance(value, list))
        if "NextToken" not in page:
            return
        request["NextToken"] = page["NextToken"]


def jobs(call: Caller, **request: Any) -> str:
    """The numbers of the jobs that are listed, in order."""
    found = [job for page in pages(call, "ListProcessingJobs", **request) for job in page]
    return "".join(job["ProcessingJobName"][-1] for job in found)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({}, "0123456789"),
        ({"SortOrder": "Descending"}, "9876543210"),
        ({"SortBy": "Name", "SortOrder": "Descending"}, "9876543210"),
        ({"SortBy": "Status"}, "1357902468"),
        ({"SortBy": "Status", "SortOrder": "Descending"}, "8642097531"),
        ({"NameContains": "-3"}, "3"),
        ({"NameContains": "nothing"}, ""),
        ({"StatusEquals": "Completed"}, "13579"),
        ({"StatusEquals": "Completed", "SortOrder": "Descending"}, "97531"),
        ({"CreationTimeAfter": START + 6}, "789"),
        ({"CreationTimeBefore": START + 2}, "01"),
        ({"LastModifiedTimeAfter": START + 70}, "1357"),
        ({"LastModifiedTimeBefore": START + 5}, "024"),
        ({"StatusEquals": "InProgress", "CreationTimeAfter": START + 3, "NameContains": "job"}, "468"),
    ],
)
@pytest.mark.parametrize("most", [1, 3, 10, 100])
def test_filters_and_orders(call: Caller, request_: dict[str, Any], expected: str, most: int) -> None:
    assert jobs(call, MaxResults=most, **request_) == expected


def test_the_last_page_has_no_token(call: Caller) -> None:
    """Also where the last page is a full one."""
    sizes = [len(page) for page in pages(call, "ListProcessingJobs", MaxResults=5)]
    assert sizes == [5, 5]
    assert "NextToken" not in call("ListProcessingJobs", MaxResults=10)


def test_a_summary_shows_what_its_shape_has(call: Caller) -> None:
    [job] = call("ListProcessingJobs", NameContains="9")["ProcessingJobSummaries"]
    assert job == {
        "ProcessingJobName": "job-9",
        "ProcessingJobArn": "arn:aws:sagemaker:eu-west-1:111122223333:processing-job/job-9",
        "CreationTime": START + 9,
        "LastModifiedTime": START + 70,
        "ProcessingJobStatus": "Completed",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"NameContains": "1"},
        {"SortOrder": "Descending"},
        {"SortBy": "Name"},
        {"StatusEquals": "InProgress"},
        {"CreationTimeAfter": 0.0},
    ],
)
def test_a_token_is_good_for_its_own_question_only(call: Caller, change: dict[str, Any]) -> None:
    token = call("ListProcessingJobs", MaxResults=2, NameContains="job")["NextToken"]
    with pytest.raises(AwsError, match="Invalid NextToken") as caught:
        call("ListProcessingJobs", **{"MaxResults": 2, "NameContains": "job"} | change, NextToken=token)
    assert caught.value.code == "ValidationException"
    assert len(call("ListProcessingJobs", MaxResults=7, NameContains="job", NextToken=token)) == 2


@pytest.mark.parametrize("spoil", ["", "A", "=", "é", "\0", "a" * 8192])
def test_any_other_token_is_refused(call: Caller, spoil: str) -> None:
    token = call("ListProcessingJobs", MaxResults=2)["NextToken"]
    changed = f"{spoil}{token}" if spoil else token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
    with pytest.raises(AwsError, match="Invalid NextToken"):
        call("ListProcessingJobs", MaxResults=2, NextToken=changed)


def test_a_token_of_another_account_is_refused(call: Caller, store: Store, tmp_path: Path) -> None:
    token = call("ListProcessingJobs", MaxResults=2)["NextToken"]
    other = Caller(store, tmp_path, KINDS, SPECIAL, account="999999999999")
    with pytest.raises(AwsError, match="Invalid NextToken"):
        other("ListProcessingJobs", MaxResults=2, NextToken=token)


def test_members_of_the_record_filter_too(store: Store, tmp_path: Path) -> None:
    """A filter that no column answers is looked up in the spec and the state; a kind can say how itself."""
    recommender = Kind(
        noun="InferenceRecommendationsJob",
        arn="inference-recommendations-job/{JobName}",
        name_member="JobName",
        verbs="create list",
        filters={"ModelPackageVersionArnEquals": lambda record, arn: record.spec["InputConfig"].get("Arn") == arn},
    )
    call = Caller(store, tmp_path, [recommender])
    for name, model in (("a", "m1"), ("b", "m2"), ("c", "m1")):
        call("CreateInferenceRecommendationsJob", JobName=name, ModelName=model, InputConfig={"Arn": f"arn:{name}"})

    def names(**request: Any) -> list[str]:
        return [
            job["JobName"]
            for job in call("ListInferenceRecommendationsJobs", **request)["InferenceRecommendationsJobs"]
        ]

    assert names(ModelNameEquals="m1") == ["a", "c"]
    assert names(ModelNameEquals="m1", NameContains="c") == ["c"]
    assert names(ModelPackageVersionArnEquals="arn:b") == ["b"]


def test_default_orders_are_those_documented() -> None:
    """Read from the documentation text, where it says one plainly."""
    model = botocore.loaders.Loader().load_service_model("sagemaker", "service-2")
    said, coded = {}, {}
    for name, operation in model["operations"].items():
        members = model["shapes"][operation["input"]["shape"]]["members"] if name.startswith("List") else {}
        for member in ("SortBy", "SortOrder"):
            text = re.sub("<[^>]+>", "", members.get(member, {}).get("documentation", ""))
            found = re.search(r"default(?: value)? is (Ascending|Descending|Name|CreationTime)\b", text, re.I)
            # ListCandidatesForAutoMLJob documents an order as its sort.
            if found and (member, found[1]) != ("SortBy", "Descending"):
                said[name, member] = found[1].capitalize().replace("time", "Time")
                sort = {"name": "Name", "created": "CreationTime"}[default_sort(name)]
                coded[name, member] = sort if member == "SortBy" else default_order(name)
    assert coded == said
    assert len(said) > 70


def test_only_pages_without_filters_are_quick() -> None:
    """The others may look at every record, so they must not hold up the event loop."""
    assert is_quick({}) and is_quick({"MaxResults": 100, "NextToken": "x", "SortBy": "Name", "SortOrder": "Ascending"})
    assert not is_quick({"NameContains": "a"}) and not is_quick({"SortBy": "Name", "CreationTimeAfter": 1.0})
