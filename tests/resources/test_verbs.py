"""The generic verbs on an ordinary kind, on one without states, and on the hard shapes."""

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from clary.resources.kinds import Kind
from clary.resources.records import Event
from clary.resources.store import Store
from clary.resources.verbs import edit, find
from clary.wire.errors import AwsError, ValidationException

from .calling import Caller
from .conftest import Clock
from .shapes import ENDPOINT, KINDS, MODEL_PACKAGE, PIPELINE_EXECUTION, PROCESSING_JOB, SPECIAL

START = 1_700_000_000.0
SELF = "arn:aws:sagemaker:eu-west-1:111122223333:"
JOB: dict[str, Any] = {
    "ProcessingJobName": "Job-1",
    "RoleArn": "arn:aws:iam::111122223333:role/r",
    "AppSpecification": {"ImageUri": "image"},
    "ProcessingResources": {"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}},
}


@pytest.fixture
def call(store: Store, tmp_path: Path) -> Caller:
    return Caller(store, tmp_path, KINDS, SPECIAL)


def refusal(call: Caller, operation: str, **request: Any) -> tuple[str, str]:
    with pytest.raises(AwsError) as caught:
        call(operation, **request)
    return caught.value.code, caught.value.message


def test_a_job_is_created_described_and_listed(call: Caller) -> None:
    assert call("CreateProcessingJob", **JOB, Tags=[{"Key": "k", "Value": "v"}]) == {
        "ProcessingJobArn": SELF + "processing-job/job-1"
    }
    standard = {
        "ProcessingJobArn": SELF + "processing-job/job-1",
        "ProcessingJobStatus": "InProgress",
        "CreationTime": START,
        "LastModifiedTime": START,
    }
    assert call("DescribeProcessingJob", ProcessingJobName="Job-1") == JOB | standard
    assert call("ListProcessingJobs") == {"ProcessingJobSummaries": [{"ProcessingJobName": "Job-1"} | standard]}
    assert call("ListTags", ResourceArn=SELF + "processing-job/job-1") == {"Tags": [{"Key": "k", "Value": "v"}]}


def test_a_stop_is_a_visible_transition(call: Caller, clock: Clock, store: Store) -> None:
    call("CreateProcessingJob", **JOB)
    clock.tick()
    assert call("StopProcessingJob", ProcessingJobName="Job-1") == {}
    shown = call("DescribeProcessingJob", ProcessingJobName="Job-1")
    assert (shown["ProcessingJobStatus"], shown["LastModifiedTime"]) == ("Stopping", START + 1)
    record = find(call.context("DescribeProcessingJob"), PROCESSING_JOB, "Job-1")
    assert record.due == START + 1
    assert store.events(record.id) == [
        Event(record=record.id, at=START, status="InProgress"),
        Event(record=record.id, at=START + 1, status="Stopping"),
    ]


def test_a_verb_that_the_status_does_not_allow_is_refused(call: Caller) -> None:
    call("CreateProcessingJob", **JOB)
    context = call.context("StopProcessingJob")
    with edit(context, find(context, PROCESSING_JOB, "Job-1")) as change:
        change.become("Completed")
    assert refusal(call, "StopProcessingJob", ProcessingJobName="Job-1") == (
        "ValidationException",
        "Status (Completed) not in ([InProgress]). Unable to transition to (Stopping) for ProcessingJob "
        f"({SELF}processing-job/job-1)",
    )


@pytest.mark.parametrize("name", ["Job-1", "job-1"])
def test_a_taken_name_is_refused_even_in_another_case(call: Caller, name: str) -> None:
    call("CreateProcessingJob", **JOB)
    assert refusal(call, "CreateProcessingJob", **JOB | {"ProcessingJobName": name}) == (
        "ResourceInUse",
        f"ProcessingJob names must be unique, and {name} already exists ({SELF}processing-job/job-1)",
    )


def test_accounts_and_regions_do_not_see_each_other(call: Caller, store: Store, tmp_path: Path) -> None:
    call("CreateProcessingJob", **JOB)
    arn = SELF + "processing-job/job-1"
    for other in (
        Caller(store, tmp_path, KINDS, SPECIAL, account="999999999999"),
        Caller(store, tmp_path, KINDS, SPECIAL, region="us-east-1"),
    ):
        for operation in ("DescribeProcessingJob", "StopProcessingJob"):
            for name in ("Job-1", arn):
                refused = refusal(other, operation, ProcessingJobName=name)
                assert refused == ("ResourceNotFound", "Requested resource not found.")
        assert refusal(other, "ListTags", ResourceArn=arn)[0] == "ResourceNotFound"
        assert other("ListProcessingJobs") == {"ProcessingJobSummaries": []}
        other("CreateProcessingJob", **JOB)


def test_what_a_create_asks_outside_holds_up_no_other_write(store: Store, tmp_path: Path) -> None:
    asked, may_answer = threading.Event(), threading.Event()

    def ask(request: dict[str, Any]) -> None:
        asked.set()
        assert may_answer.wait(60)
        if request["ModelName"] == "bad":
            raise ValidationException("no such image")

    asking = Kind("Model", "model/{ModelName}", ahead=lambda ctx, request: partial(ask, request))
    call = Caller(store, tmp_path, [asking, PROCESSING_JOB])
    with ThreadPoolExecutor(1) as pool:
        for name in ("bad", "good"):
            asked.clear()
            may_answer.clear()
            waiting = pool.submit(call, "CreateModel", ModelName=name)
            assert asked.wait(60)
            call("CreateProcessingJob", **JOB | {"ProcessingJobName": f"beside-{name}"})
            assert call("ListModels") == {"Models": []}
            may_answer.set()
            assert (waiting.exception(60) is None) == (name == "good")
    assert [entry["ModelName"] for entry in call("ListModels")["Models"]] == ["good"]


def test_a_kind_says_what_is_missing_in_its_own_words(call: Caller) -> None:
    model = {"ModelName": "M", "ExecutionRoleArn": "arn:aws:iam::1:role/r"}
    text = f'"{SELF}model/m".'
    for operation in ("DescribeModel", "DeleteModel"):
        assert refusal(call, operation, ModelName="M") == ("ValidationException", f"Could not find model {text}")
    call("CreateModel", **model)
    assert refusal(call, "CreateModel", **model) == (
        "ValidationException",
        f"Cannot create already existing model {text}",
    )
    assert call("DeleteModel", ModelName="M") == {}
    call("CreateModel", **model)


def test_admission_checks_and_completes_a_request(call: Caller) -> None:
    call("CreateModel", ModelName="m", ExecutionRoleArn="arn:aws:iam::1:role/r")
    assert call("DescribeModel", ModelName="m") == {
        "ModelName": "m",
        "ModelArn": SELF + "model/m",
        "ExecutionRoleArn": "arn:aws:iam::1:role/r",
        "EnableNetworkIsolation": False,
        "CreationTime": START,
    }
    nobody = {"ModelName": "n", "ExecutionRoleArn": "arn:aws:iam::1:role/nobody"}
    assert refusal(call, "CreateModel", **nobody) == ("ValidationException", "Could not access the role.")
    assert refusal(call, "DescribeModel", ModelName="n")[0] == "ValidationException"


def test_an_endpoint_updates_and_rolls_back(call: Caller) -> None:
    call("CreateEndpoint", EndpointName="e", EndpointConfigName="old")
    context = call.context("DescribeEndpoint")

    def become(status: str, **spec: str) -> None:
        with edit(context, find(context, ENDPOINT, "e")) as change:
            change.record.spec.update(spec)
            change.become(status)

    assert refusal(call, "UpdateEndpoint", EndpointName="e", EndpointConfigName="new")[0] == "ValidationException"
    become("InService")
    assert call("UpdateEndpoint", EndpointName="e", EndpointConfigName="new") == {"EndpointArn": SELF + "endpoint/e"}
    shown = call("DescribeEndpoint", EndpointName="e")
    assert (shown["EndpointStatus"], shown["EndpointConfigName"]) == ("Updating", "new")
    become("RollingBack")
    become("InService", EndpointConfigName=find(context, ENDPOINT, "e").state["Before"])
    shown = call("DescribeEndpoint", EndpointName="e")
    assert (shown["EndpointStatus"], shown["EndpointConfigName"]) == ("InService", "old")
    assert call("DeleteEndpoint", EndpointName="e") == {}
    assert call("DescribeEndpoint", EndpointName="e")["EndpointStatus"] == "Deleting"


def test_a_describe_pages_through_features(call: Caller) -> None:
    features = [{"FeatureName": f"f{i}", "FeatureType": "String"} for i in range(5)]
    call(
        "CreateFeatureGroup",
        FeatureGroupName="g",
        RecordIdentifierFeatureName="f0",
        EventTimeFeatureName="f1",
        FeatureDefinitions=features,
    )
    seen, request = [], {"FeatureGroupName": "g"}
    while True:
        page = call("DescribeFeatureGroup", **request)
        seen.append(page["FeatureDefinitions"])
        if "NextToken" not in page:
            break
        request["NextToken"] = page["NextToken"]
    assert seen == [features[:2], features[2:4], features[4:]]
    request["NextToken"] = "x" + request["NextToken"]
    assert refusal(call, "DescribeFeatureGroup", **request) == ("ValidationException", "Invalid NextToken.")


def test_a_workteam_is_wrapped(call: Caller) -> None:
    call("CreateWorkteam", WorkteamName="t", MemberDefinitions=[], Description="before")
    team = {
        "WorkteamName": "t",
        "WorkteamArn": SELF + "workteam/private-crowd/t",
        "MemberDefinitions": [],
        "Description": "after",
        "CreateDate": START,
        "LastUpdatedDate": START,
    }
    assert call("UpdateWorkteam", WorkteamName="t", Description="after") == {"Workteam": team}
    assert call("DescribeWorkteam", WorkteamName="t") == {"Workteam": team}
    assert call("ListWorkteams") == {"Workteams": [team]}


def test_model_packages_are_versions_in_a_group(call: Caller) -> None:
    assert refusal(call, "CreateModelPackage", ModelPackageGroupName="g") == (
        "ValidationException",
        f"ModelPackageGroup {SELF}model-package-group/g does not exist.",
    )
    call("CreateModelPackageGroup", ModelPackageGroupName="g")
    arns = [call("CreateModelPackage", ModelPackageGroupName="g")["ModelPackageArn"] for _ in range(3)]
    assert arns == [f"{SELF}model-package/g/{number}" for number in (1, 2, 3)]
    alone = call("CreateModelPackage", ModelPackageName="alone")["ModelPackageArn"]
    assert alone == SELF + "model-package/alone"
    call("DeleteModelPackage", ModelPackageName=arns[2])
    again = call("CreateModelPackage", ModelPackageGroupName="g")["ModelPackageArn"]
    assert again == SELF + "model-package/g/4"
    shown = call("DescribeModelPackage", ModelPackageName=again)
    assert {k: shown[k] for k in ("ModelPackageName", "ModelPackageGroupName", "ModelPackageVersion")} == {
        "ModelPackageName": "g",
        "ModelPackageGroupName": "g",
        "ModelPackageVersion": 4,
    }
    listed = call("ListModelPackages", ModelPackageGroupName="g")["ModelPackageSummaryList"]
    assert [each["ModelPackageVersion"] for each in listed] == [1, 2, 4]
    assert len(call("ListModelPackages")["ModelPackageSummaryList"]) == 4
    call("UpdateModelPackage", ModelPackageArn=again, ModelApprovalStatus="Approved")
    approved = call("ListModelPackages", ModelPackageGroupName="g", ModelApprovalStatus="Approved")
    assert [each["ModelPackageArn"] for each in approved["ModelPackageSummaryList"]] == [again]
    assert (
        find(call.context("DescribeModelPackage"), MODEL_PACKAGE, again.upper().replace("ARN", "arn", 1)).parent == "g"
    )


def test_a_pipeline_keeps_its_versions(call: Caller) -> None:
    call("CreatePipeline", PipelineName="P", PipelineDefinition="one", RoleArn="r")
    assert call("UpdatePipeline", PipelineName="P", PipelineDefinition="two") == {
        "PipelineArn": SELF + "pipeline/p",
        "PipelineVersionId": 2,
    }
    assert call("DescribePipeline", PipelineName="P")["PipelineDefinition"] == "two"
    assert call("DescribePipeline", PipelineName="P", PipelineVersionId=1)["PipelineDefinition"] == "one"
    versions = call("ListPipelineVersions", PipelineName="P")["PipelineVersionSummaries"]
    assert [each["PipelineVersionId"] for each in versions] == [1, 2]
    assert refusal(call, "CreatePipeline", PipelineName="p", PipelineDefinition="x", RoleArn="r")[0] == (
        "ValidationException"
    )
    assert len(call("ListPipelineVersions", PipelineName="P")["PipelineVersionSummaries"]) == 2


def test_executions_belong_to_their_pipeline(call: Caller) -> None:
    for name in ("P", "Q"):
        call("CreatePipeline", PipelineName=name, PipelineDefinition="one", RoleArn="r")
    arns = [call("StartPipelineExecution", PipelineName="P")["PipelineExecutionArn"] for _ in range(2)]
    call("StartPipelineExecution", PipelineName="Q")
    listed = call("ListPipelineExecutions", PipelineName="P")["PipelineExecutionSummaries"]
    assert {each["PipelineExecutionArn"] for each in listed} == set(arns)
    shown = call("DescribePipelineExecution", PipelineExecutionArn=arns[0])
    assert shown["PipelineExecutionStatus"] == "Executing"
    assert call("StopPipelineExecution", PipelineExecutionArn=arns[0]) == {"PipelineExecutionArn": arns[0]}
    assert find(call.context("DescribePipelineExecution"), PIPELINE_EXECUTION, arns[0]).status == "Stopping"


def test_a_repeated_token_acts_once(call: Caller) -> None:
    request = {"ModelPackageGroupName": "g", "ClientToken": "t" * 20}
    call("CreateModelPackageGroup", ModelPackageGroupName="g")
    first = call("CreateModelPackage", **request)
    assert call("CreateModelPackage", **request) == first
    assert len(call("ListModelPackages")["ModelPackageSummaryList"]) == 1
    assert refusal(call, "CreateModelPackage", **request, ModelPackageDescription="other") == (
        "ConflictException",
        "The ClientToken was already used with a different request.",
    )
    assert call("CreateModelPackage", **request | {"ClientToken": "u" * 20}) != first


def test_a_refused_request_does_not_use_up_its_token(call: Caller) -> None:
    request = {"ModelPackageGroupName": "g", "ClientToken": "t" * 20}
    assert refusal(call, "CreateModelPackage", **request)[0] == "ValidationException"
    call("CreateModelPackageGroup", ModelPackageGroupName="g")
    assert call("CreateModelPackage", **request)["ModelPackageArn"] == SELF + "model-package/g/1"


def test_tokens_are_kept_for_a_day(call: Caller, clock: Clock) -> None:
    request = {"ModelPackageGroupName": "g", "ClientToken": "t" * 20}
    call("CreateModelPackageGroup", ModelPackageGroupName="g")
    first = call("CreateModelPackage", **request)
    clock.tick(86_401)
    assert call("CreateModelPackage", **request) != first
