"""Application Auto Scaling through unmodified boto3; the controller's looks are taken by hand, on something that is no
endpoint. Real endpoints are scaled in `tests/capabilities/endpoints/scaling`."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.companions.application_autoscaling.shelf import DIMENSION, SHELF
from tests.companions.conftest import KINDS, Shifted
from tests.companions.refusals import refused
from tests.companions.tenants import REGION, Tenant

from clary.companions import application_autoscaling, cloudwatch
from clary.companions.application_autoscaling import Place, Scalables
from clary.resources.kinds import Kinds
from clary.resources.query import Query
from clary.resources.reconcile import Become, Do, Remove
from clary.resources.records import Record
from clary.resources.wake import Wake
from clary.settings import Settings
from clary.wire.context import Parts

RESOURCE = "endpoint/e/variant/v"
SCOPE = {"ServiceNamespace": "sagemaker", "ResourceId": RESOURCE, "ScalableDimension": DIMENSION}
TRACKING: dict[str, Any] = {
    "TargetValue": 10.0,
    "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
}
STEPS: dict[str, Any] = {
    "AdjustmentType": "ChangeInCapacity",
    "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 2}],
    "Cooldown": 60,
}
RECONCILERS = {
    reconciler.kind.noun: reconciler
    for companion in (cloudwatch, application_autoscaling)
    for reconciler in companion.CAPABILITY.reconcilers
}


class Scene:
    """One tenant's endpoint `e` with a target of 1 to 8, and a controller that looks when it is told to."""

    def __init__(self, tenant: Tenant, clock: Shifted) -> None:
        self.clock = clock
        self.tenant, self.place = tenant, Place(tenant.account, REGION, RESOURCE)
        self.scaling, self.cloudwatch = tenant.client("application-autoscaling"), tenant.client("cloudwatch")
        site = tenant.site
        wake, scalables = Wake(site.home), Scalables({DIMENSION: SHELF})
        self.parts = Parts(site.store, site.metrics, Kinds(KINDS), wake, scalables, Settings(home=site.home))
        self.count = 2
        self.scaling.register_scalable_target(**SCOPE, MinCapacity=1, MaxCapacity=8)

    @property
    def count(self) -> int:
        return SHELF.counts[self.place]

    @count.setter
    def count(self, value: int) -> None:
        SHELF.counts[self.place] = value

    def look(self, rounds: int = 6, but: str = "") -> None:
        """At everything of the tenant, as often as it takes for what one does to reach the others."""
        for _ in range(rounds):
            for noun in RECONCILERS.keys() - {but}:
                for record in self.records(noun):
                    self._carry_out(RECONCILERS[noun].reconcile(record, self.parts), record)

    def records(self, noun: str) -> list[Record]:
        query = Query(kind=noun, account=self.tenant.account, region=REGION, limit=500)
        return self.tenant.site.store.page(query).records

    def _carry_out(self, outcome: Any, record: Any) -> None:
        store = self.tenant.site.store
        match outcome:
            case Do(action):
                action()
            case Become(status, state=state):
                record.status = status
                record.state.update(state)
                store.update(record)
            case Remove():
                store.delete(record)

    def called(self, *per_instance: float) -> None:
        """In the last whole minutes."""
        last = int(self.clock()) // 60 * 60 - 30
        dimensions = {"EndpointName": "e", "VariantName": "v"}
        values = enumerate(reversed(per_instance))
        measured = [("InvocationsPerInstance", dimensions, value, last - 60 * age) for age, value in values]
        self.tenant.site.metrics.put(self.tenant.account, REGION, "AWS/SageMaker", measured)

    def track(self, name: str = "calls", **config: Any) -> list[str]:
        answer = self.scaling.put_scaling_policy(
            **SCOPE,
            PolicyName=name,
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=TRACKING | config,
        )
        return [alarm["AlarmName"] for alarm in answer["Alarms"]]

    def activities(self) -> list[dict[str, Any]]:
        return list(self.scaling.describe_scaling_activities(ServiceNamespace="sagemaker")["ScalingActivities"])

    def told(self) -> list[tuple[str, str]]:
        return [(one["StatusCode"], one["Description"]) for one in reversed(self.activities())]


@pytest.fixture
def scene(tenant: Tenant, minute: Shifted) -> Iterator[Scene]:
    yield Scene(tenant, minute)
    SHELF.refusal, SHELF.settled = "", True


def test_alarms_of_target_tracking(scene: Scene) -> None:
    high, low = scene.track()
    made = {one["AlarmName"]: one for one in scene.cloudwatch.describe_alarms()["MetricAlarms"]}
    arn = scene.scaling.describe_scaling_policies(**SCOPE)["ScalingPolicies"][0]["PolicyARN"]
    shared = {
        "Namespace": "AWS/SageMaker",
        "MetricName": "InvocationsPerInstance",
        "Dimensions": [{"Name": "EndpointName", "Value": "e"}, {"Name": "VariantName", "Value": "v"}],
        "Statistic": "Sum",
        "Period": 60,
        "AlarmActions": [arn],
        "AlarmDescription": f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {arn}.",
    }
    above = shared | {"ComparisonOperator": "GreaterThanThreshold", "Threshold": 10.0, "EvaluationPeriods": 3}
    below = shared | {"ComparisonOperator": "LessThanThreshold", "Threshold": 9.0, "EvaluationPeriods": 15}
    assert {name: made[high][name] for name in above} == above
    assert {name: made[low][name] for name in below} == below

    concurrent = {"PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"}
    quick = scene.track("quick", PredefinedMetricSpecification=concurrent)
    shown = scene.cloudwatch.describe_alarms(AlarmNames=quick)["MetricAlarms"]
    told = [(one["MetricName"], one["Statistic"], one["Period"], one["EvaluationPeriods"]) for one in shown]
    assert told == [("ConcurrentRequestsPerModel", "Maximum", 10, periods) for periods in (3, 90)]
    scene.scaling.delete_scaling_policy(**SCOPE, PolicyName="quick")

    assert scene.track(DisableScaleIn=True, TargetValue=20.0) == [high]
    (left,) = scene.cloudwatch.describe_alarms()["MetricAlarms"]
    assert (left["AlarmName"], left["Threshold"]) == (high, 20.0)
    scene.scaling.delete_scaling_policy(**SCOPE, PolicyName="calls")
    assert scene.cloudwatch.describe_alarms()["MetricAlarms"] == []


def test_out_in_proportion_and_within_bounds(scene: Scene) -> None:
    high, _ = scene.track()
    scene.called(15.0, 15.0, 15.0)
    scene.look()
    assert scene.count == 3
    (activity,) = scene.activities()
    times = {name: activity.pop(name) for name in ("ActivityId", "StartTime", "EndTime")}
    assert times["EndTime"] >= times["StartTime"]
    assert activity == {
        **SCOPE,
        "Description": "Setting desired instance count to 3.",
        "Cause": f"monitor alarm {high} in state ALARM triggered policy calls",
        "StatusCode": "Successful",
        "StatusMessage": "Successfully set desired instance count to 3. Change successfully fulfilled by sagemaker.",
    }
    # Within the cooldown, what was added counts: 2 * 15 / 10 are there already.
    scene.look()
    assert scene.count == 3
    scene.called(1000.0)
    scene.look()
    assert scene.count == 8


def test_in_after_fifteen_minutes_and_no_further_than_the_busiest_of_them(scene: Scene) -> None:
    scene.count = 5
    scene.track()
    scene.called(*[1.0] * 14)
    scene.look()
    assert scene.count == 5
    scene.called(*[0.0] * 7, 3.0, *[0.0] * 7)
    scene.look()
    assert scene.count == 2


def test_in_only_where_every_tracking_policy_agrees(scene: Scene) -> None:
    scene.count = 4
    scene.track("calls")
    custom = {"Namespace": "N", "MetricName": "use", "Statistic": "Average"}
    scene.scaling.put_scaling_policy(
        **SCOPE,
        PolicyName="use",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={"TargetValue": 50.0, "CustomizedMetricSpecification": custom},
    )
    scene.called(*[0.0] * 15)
    scene.look()
    assert (scene.count, scene.told()) == (4, [])


def test_suspended_scaling_waits(scene: Scene) -> None:
    scene.track()
    scene.scaling.register_scalable_target(**SCOPE, SuspendedState={"DynamicScalingOutSuspended": True})
    scene.called(50.0, 50.0, 50.0)
    scene.look()
    assert scene.count == 2
    scene.scaling.register_scalable_target(**SCOPE, SuspendedState={"DynamicScalingOutSuspended": False})
    scene.look()
    assert scene.count == 8


def test_steps_on_a_users_alarm(scene: Scene) -> None:
    arn = scene.scaling.put_scaling_policy(**SCOPE, PolicyName="queue", StepScalingPolicyConfiguration=STEPS)[
        "PolicyARN"
    ]
    scene.cloudwatch.put_metric_alarm(
        AlarmName="long",
        Namespace="AWS/SageMaker",
        MetricName="InvocationsPerInstance",
        Dimensions=[{"Name": "EndpointName", "Value": "e"}, {"Name": "VariantName", "Value": "v"}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=10.0,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[arn],
    )
    scene.called(50.0)
    scene.look()
    assert (scene.count, scene.told()) == (4, [("Successful", "Setting desired instance count to 4.")])
    history = scene.cloudwatch.describe_alarm_history(AlarmName="long", HistoryItemType="Action")["AlarmHistoryItems"]
    assert [item["HistorySummary"] for item in history] == [f"Successfully executed action {arn}"]


def test_a_refused_change_is_a_failed_activity(scene: Scene) -> None:
    scene.track()
    scene.called(50.0, 50.0, 50.0)
    SHELF.refusal = "No more instances."
    scene.look()
    assert scene.count == 2
    (activity,) = scene.activities()
    assert (activity["StatusCode"], activity["StatusMessage"]) == (
        "Failed",
        "Failed to set desired instance count to 8. Reason: No more instances.",
    )


def test_a_change_that_was_asked_for_before_a_crash_is_not_asked_for_again(scene: Scene) -> None:
    scene.track()
    scene.called(50.0, 50.0, 50.0)
    SHELF.asked.clear()
    scene.look(but="ScalingActivity")
    (activity,) = scene.records("ScalingActivity")
    assert (activity.status, SHELF.asked) == ("Pending", [])
    RECONCILERS["ScalingActivity"].reconcile(activity, scene.parts)
    assert (scene.records("ScalingActivity")[0].status, SHELF.asked) == ("Pending", [8])
    scene.look()
    assert (scene.told(), SHELF.asked) == ([("Successful", "Setting desired instance count to 8.")], [8])


def test_bounds_that_change_are_held_at_once(scene: Scene) -> None:
    scene.scaling.register_scalable_target(**SCOPE, MinCapacity=4)
    scene.look()
    assert (scene.count, scene.activities()[0]["Cause"]) == (
        4,
        "minimum capacity was set to 4 and maximum capacity was set to 8",
    )
    scene.scaling.register_scalable_target(**SCOPE, MinCapacity=1, MaxCapacity=3)
    scene.look()
    assert scene.count == 3


def test_targets(scene: Scene) -> None:
    arn = scene.scaling.register_scalable_target(**SCOPE, MaxCapacity=5)["ScalableTargetARN"]
    (target,) = scene.scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    del target["CreationTime"], target["RoleARN"]
    assert target == {
        **SCOPE,
        "MinCapacity": 1,
        "MaxCapacity": 5,
        "ScalableTargetARN": arn,
        "SuspendedState": {
            "DynamicScalingInSuspended": False,
            "DynamicScalingOutSuspended": False,
            "ScheduledScalingSuspended": False,
        },
    }
    scene.scaling.tag_resource(ResourceARN=arn, Tags={"team": "a", "stage": "b"})
    scene.scaling.untag_resource(ResourceARN=arn, TagKeys=["stage"])
    assert scene.scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"team": "a"}
    scene.track()
    scene.scaling.deregister_scalable_target(**SCOPE)
    assert scene.scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []
    assert scene.scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"] == []
    assert scene.cloudwatch.describe_alarms()["MetricAlarms"] == []
    with refused("ObjectNotFoundException", "No scalable target registered for service namespace: sagemaker"):
        scene.scaling.deregister_scalable_target(**SCOPE)


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        ({"MinCapacity": 5, "MaxCapacity": 4}, "ValidationException", "Maximum capacity cannot be less than"),
        ({"MinCapacity": 0}, "ValidationException", "Minimum capacity cannot be less than 1"),
        ({"ResourceId": "endpoint/other/variant/v"}, "ValidationException", "Could not find"),
        ({"ResourceId": "table/t"}, "ValidationException", "Unsupported service namespace, resource type"),
        ({"ScalableDimension": "ecs:service:DesiredCount"}, "ValidationException", "Unsupported service namespace"),
    ],
)
def test_targets_that_cannot_be(scene: Scene, request_: dict[str, Any], code: str, words: str) -> None:
    with refused(code, words):
        scene.scaling.register_scalable_target(**SCOPE | {"MinCapacity": 1, "MaxCapacity": 2} | request_)


def tracking(**config: Any) -> dict[str, Any]:
    return {"PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": config}


def stepping(**config: Any) -> dict[str, Any]:
    return {"PolicyType": "StepScaling", "StepScalingPolicyConfiguration": STEPS | config}


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({}, "StepScalingPolicyConfiguration must be specified"),
        (tracking(TargetValue=10.0), "Exactly one of PredefinedMetricSpecification and"),
        (tracking(**TRACKING | {"TargetValue": 0.0}), "TargetValue must be greater than 0"),
        (
            tracking(
                TargetValue=1.0, PredefinedMetricSpecification={"PredefinedMetricType": "KafkaBrokerStorageUtilization"}
            ),
            "cannot be used with the scalable dimension",
        ),
        (
            tracking(
                TargetValue=1.0,
                CustomizedMetricSpecification={"Metrics": [{"Id": "a", "Expression": "b + 1"}]},
            ),
            "which is no Id",
        ),
        (stepping(StepAdjustments=[]), "At least one StepAdjustment"),
        (
            stepping(
                StepAdjustments=[
                    {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 5.0, "ScalingAdjustment": 1},
                    {"MetricIntervalLowerBound": 6.0, "ScalingAdjustment": 2},
                ]
            ),
            "gap",
        ),
        (stepping(MinAdjustmentMagnitude=2), "MinAdjustmentMagnitude can only be used"),
    ],
)
def test_policies_that_cannot_be(scene: Scene, policy: dict[str, Any], words: str) -> None:
    with refused("ValidationException", words):
        scene.scaling.put_scaling_policy(**SCOPE, PolicyName="p", **policy)
    assert scene.scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"] == []


def test_metric_math_as_a_target(scene: Scene) -> None:
    stat = {"Metric": {"Namespace": "N", "MetricName": "queued"}, "Stat": "Sum"}
    metrics = [
        {"Id": "each", "Expression": "queued / 2"},
        {"Id": "queued", "MetricStat": stat, "ReturnData": False},
    ]
    scene.scaling.put_scaling_policy(
        **SCOPE,
        PolicyName="backlog",
        **tracking(TargetValue=10.0, CustomizedMetricSpecification={"Metrics": metrics}),
    )
    last = int(scene.clock()) // 60 * 60 - 30
    queued = [("queued", {}, 30.0, last - 60 * age) for age in range(3)]
    scene.tenant.site.metrics.put(scene.tenant.account, REGION, "N", queued)
    scene.look()
    assert scene.count == 3


def test_scheduled_actions(scene: Scene) -> None:
    soon = datetime.fromtimestamp(int(scene.clock()) + 60, UTC)
    act = {"MinCapacity": 6, "MaxCapacity": 7}
    names = {"ScheduledActionName": "now", "Schedule": f"at({soon:%Y-%m-%dT%H:%M:%S})"}
    scene.scaling.put_scheduled_action(**SCOPE, **names, ScalableTargetAction=act)
    weekly = {"ScheduledActionName": "weekly", "Schedule": "cron(0 8 ? * MON *)", "Timezone": "Europe/Berlin"}
    scene.scaling.put_scheduled_action(**SCOPE, **weekly, ScalableTargetAction={"MinCapacity": 2})
    scene.look()
    assert scene.told() == []
    scene.clock.ahead += 60
    scene.look()
    assert scene.count == 6
    assert scene.told() == [
        ("Successful", "Setting min capacity to 6 and max capacity to 7"),
        ("Successful", "Setting desired instance count to 6."),
    ]
    assert {one["Cause"] for one in scene.activities()} == {"scheduled action name now was triggered"}
    (left,) = scene.scaling.describe_scheduled_actions(ServiceNamespace="sagemaker")["ScheduledActions"]
    assert {name: left[name] for name in weekly} == weekly
    scene.scaling.delete_scheduled_action(**SCOPE, ScheduledActionName="weekly")
    with refused("ObjectNotFoundException", "scheduled action name: weekly"):
        scene.scaling.delete_scheduled_action(**SCOPE, ScheduledActionName="weekly")


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ({"Schedule": "at(2020-01-01T00:00:00)"}, "no time in the future"),
        ({"Schedule": "cron(0 9 * * * *)"}, "Schedule is not valid"),
        ({"Timezone": "Mars/Olympus"}, "not a time zone"),
        ({"ScalableTargetAction": {"MinCapacity": 3, "MaxCapacity": 2}}, "Maximum capacity cannot be less"),
        ({"ScalableTargetAction": {}}, "MinCapacity, MaxCapacity or both"),
    ],
)
def test_scheduled_actions_that_cannot_be(scene: Scene, action: dict[str, Any], words: str) -> None:
    good = {"ScheduledActionName": "a", "Schedule": "rate(1 hour)", "ScalableTargetAction": {"MinCapacity": 2}}
    with refused("ValidationException", words):
        scene.scaling.put_scheduled_action(**SCOPE | good | action)


def test_pages(scene: Scene) -> None:
    for name in ("a", "b", "c"):
        scene.track(name)
    pages = scene.scaling.get_paginator("describe_scaling_policies").paginate(
        ServiceNamespace="sagemaker", PaginationConfig={"PageSize": 2}
    )
    assert [[one["PolicyName"] for one in page["ScalingPolicies"]] for page in pages] == [["a", "b"], ["c"]]
    for least in (2, 3, 4):
        scene.scaling.register_scalable_target(**SCOPE, MinCapacity=least)
        scene.look()
    listed = scene.scaling.get_paginator("describe_scaling_activities").paginate(
        ServiceNamespace="sagemaker", PaginationConfig={"PageSize": 1}
    )
    told = [[one["Description"] for one in page["ScalingActivities"]] for page in listed]
    assert told == [["Setting desired instance count to 4."], ["Setting desired instance count to 3."]]
    with refused("InvalidNextTokenException"):
        scene.scaling.describe_scaling_policies(ServiceNamespace="sagemaker", NextToken="nonsense")
