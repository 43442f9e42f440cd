"""Inference Recommender as a client of AWS sees it: unmodified boto3, a real server, real endpoints, real load."""

import json
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError
from tests.capabilities.endpoints.account import kill, running
from tests.capabilities.recommendations.conftest import Recommender, stairs
from tests.servers import Clary, wait_until


def test_load_tests_of_several_types_and_variables(recommender: Recommender, server: Clary, tmp_path: Path) -> None:
    ranges = {"CategoricalParameterRanges": [{"Name": "OMP_NUM_THREADS", "Value": ["1", "2"]}]}
    recommender.create(
        "types",
        TrafficPattern=stairs(1, 2),
        EndpointConfigurations=[
            {"InstanceType": "ml.m5.large"},
            {"InstanceType": "ml.c5.large", "EnvironmentParameterRanges": ranges},
        ],
        ResourceLimit={"MaxParallelOfTests": 3, "MaxNumberOfTests": 3},
    )
    found = recommender.finished("types")
    assert found["Status"] == "COMPLETED", json.dumps(found, default=str)
    shown = found["InferenceRecommendations"]
    assert sorted(each["EndpointConfiguration"]["InstanceType"] for each in shown) == [
        "ml.c5.large",
        "ml.c5.large",
        "ml.m5.large",
    ]
    costs = [each["Metrics"]["CostPerInference"] for each in shown]
    assert costs == sorted(costs)
    for each in shown:
        metrics = each["Metrics"]
        assert metrics["MaxInvocations"] > 0 and metrics["ModelLatency"] > 0
        a_minute = metrics["CostPerHour"] / metrics["CostPerInference"] / 60
        assert metrics["MaxInvocations"] - 0.01 < a_minute < metrics["MaxInvocations"] + 1.01
        assert each["InvocationStartTime"] < each["InvocationEndTime"] <= found["CompletionTime"]
    tuned = [each["ModelConfiguration"].get("EnvironmentParameters") for each in shown]
    assert sorted(one[0]["Value"] for one in tuned if one) == ["1", "2"]

    steps = recommender.steps("types")
    assert [each["Status"] for each in steps] == ["COMPLETED"] * 3
    assert recommender.account.sagemaker.list_endpoints(NameContains="sm-epc")["Endpoints"] == []
    assert recommender.account.sagemaker.list_endpoint_configs(NameContains="sm-epc")["EndpointConfigs"] == []
    assert recommender.account.sagemaker.list_models(NameContains="sm-epc")["Models"] == []
    [summary] = recommender.sagemaker.list_inference_recommendations_jobs(ModelNameEquals="m", NameContains="types")[
        "InferenceRecommendationsJobs"
    ]
    assert (summary["JobName"], summary["Status"], summary["ModelName"]) == ("types", "COMPLETED", "m")
    assert [each["step"]["users"] for each in _log(recommender, "types/0-ml.m5.large")] == [1, 2]
    _is_shown(recommender, server, tmp_path)


def _is_shown(recommender: Recommender, server: Clary, folder: Path) -> None:
    said = server.command("recommend", "types").stdout
    assert said.count(" users  █") == 6 and "ml.c5.large OMP_NUM_THREADS=2" in said
    rows = json.loads(server.command("recommend", "types", "--json").stdout)
    assert (rows[0]["test"], rows[0]["status"]) == ("ml.m5.large", "COMPLETED")
    server.command("recommend", "types", "--html", str(folder / "report.html"))
    page = (folder / "report.html").read_text()
    assert (page.count("<polyline"), page.count("<tr>")) == (6, 4)


def _log(recommender: Recommender, stream: str) -> list[dict[str, Any]]:
    group = "/aws/sagemaker/InferenceRecommendationsJobs"
    events = recommender.account.logs.get_log_events(logGroupName=group, logStreamName=stream)["events"]
    return [json.loads(each["message"]) for each in events]


def test_own_endpoint_conditions_and_failures(recommender: Recommender) -> None:
    recommender.account.create("mine")
    recommender.create("mine", TrafficPattern=stairs(1, 3), Endpoints=[{"EndpointName": "mine"}],
                       StoppingConditions={"MaxInvocations": 1})  # fmt: skip
    recommender.create("bad", sample="bad", TrafficPattern=stairs(1, 3), Endpoints=[{"EndpointName": "mine"}])
    slow = {"ModelLatencyThresholds": [{"Percentile": "P99", "ValueInMilliseconds": 0}]}
    found = recommender.finished("mine")
    [performance] = found["EndpointPerformances"]
    assert (found["Status"], performance["EndpointInfo"]) == ("COMPLETED", {"EndpointName": "mine"})
    assert performance["Metrics"]["MaxInvocations"] > 1
    assert [each["step"]["users"] for each in _log(recommender, "mine/0-mine")] == [1]
    bad = recommender.finished("bad")
    assert (bad["Status"], "did not answer the sample payload: 424" in bad["FailureReason"]) == ("FAILED", True), bad
    recommender.create(
        "slow", TrafficPattern=stairs(1, 3), Endpoints=[{"EndpointName": "mine"}], StoppingConditions=slow
    )
    assert "P99 of the model's latency was above 0 ms" in recommender.finished("slow")["FailureReason"]
    recommender.account.delete("mine")


def test_stopped_job_leaves_nothing(recommender: Recommender) -> None:
    types = [{"InstanceType": "ml.m5.large"}, {"InstanceType": "ml.c5.large"}]
    recommender.create("stopped", TrafficPattern=stairs(600, 2), EndpointConfigurations=types)
    wait_until(
        lambda: any("InvocationStartTime" in each["InferenceBenchmark"] for each in recommender.steps("stopped"))
    )
    recommender.sagemaker.stop_inference_recommendations_job(JobName="stopped")
    assert recommender.finished("stopped")["Status"] == "STOPPED"
    assert [each["Status"] for each in recommender.steps("stopped")] == ["STOPPED", "STOPPED"]
    assert recommender.account.sagemaker.list_endpoints(NameContains="sm-epc")["Endpoints"] == []
    with pytest.raises(ClientError, match="is in status STOPPED"):
        recommender.sagemaker.stop_inference_recommendations_job(JobName="stopped")


def test_job_goes_on_after_everything_was_killed(recommender: Recommender, server: Clary) -> None:
    types = [{"InstanceType": "ml.m5.large"}]
    recommender.create("killed", TrafficPattern=stairs(2, 1), EndpointConfigurations=types)
    wait_until(lambda: any("InvocationStartTime" in each["InferenceBenchmark"] for each in recommender.steps("killed")))
    kill([*psutil.Process(server.process.pid).children(recursive=True), *running(server)])
    server.process.kill()
    server.process.wait()
    server.start()
    found = recommender.finished("killed")
    [step] = recommender.steps("killed")
    assert (found["Status"], step["Status"]) == ("COMPLETED", "COMPLETED"), step
    assert recommender.account.sagemaker.list_endpoints(NameContains="sm-epc")["Endpoints"] == []


PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/p/1"
PACKAGED = {"InstanceType": "ml.m5.large", "InferenceSpecificationName": "i"}


@pytest.mark.parametrize(
    ("members", "code", "words"),
    [
        ({"ModelName": "none"}, "ValidationException", "Could not find model"),
        ({"sample": "none"}, "ValidationException", "Could not find the sample payload"),
        ({"TrafficPattern": {"TrafficType": "PHASES"}}, "ValidationException", "either Phases or Stairs"),
        ({"JobDurationInSeconds": 1}, "ValidationException", "longer than JobDurationInSeconds"),
        ({"EndpointConfigurations": [{}]}, "ValidationException", "either InstanceType or ServerlessConfig"),
        ({"EndpointConfigurations": [PACKAGED]}, "NotImplemented", "InferenceSpecificationName in EndpointConfig"),
        (
            {"ModelPackageVersionArn": PACKAGE},
            "NotImplemented",
            r"\(ModelPackageVersionArn\) are not supported yet. Give",
        ),
    ],
)
def test_refusals(recommender: Recommender, members: dict[str, Any], code: str, words: str) -> None:
    usual = {"TrafficPattern": stairs(1, 2), "EndpointConfigurations": [{"InstanceType": "ml.m5.large"}]}
    with pytest.raises(ClientError, match=words) as refused:
        recommender.create("refused", **{**usual, **members})
    assert refused.value.response["Error"]["Code"] == code
