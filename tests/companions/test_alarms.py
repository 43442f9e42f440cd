"""Alarms through unmodified boto3; the controller's look at them is taken by hand, so that no test waits for one."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.companions.conftest import KINDS
from tests.companions.refusals import refused
from tests.companions.tenants import REGION, Tenant

from clary.companions.cloudwatch.alarms import AlarmReconciler, states
from clary.resources.kinds import Kinds
from clary.resources.reconcile import Do, Outcome, Wait
from clary.resources.wake import Wake
from clary.wire.context import Parts

pytestmark = pytest.mark.usefixtures("minute")

METRIC = {"Namespace": "N", "MetricName": "load", "Dimensions": [{"Name": "Host", "Value": "a"}]}
ALARM: dict[str, Any] = METRIC | {
    "AlarmName": "high",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 2,
    "Threshold": 10.0,
    "ComparisonOperator": "GreaterThanThreshold",
}
TOPIC = "arn:aws:sns:us-east-1:123456789012:topic"


def put(tenant: Tenant, *values: float) -> None:
    """One value a minute; the last in the last whole minute."""
    last = int(tenant.site.store.now()) // 60 * 60 - 30
    measured = [("load", {"Host": "a"}, value, last - 60 * age) for age, value in enumerate(reversed(values))]
    tenant.site.metrics.put(tenant.account, REGION, "N", measured)


def look(tenant: Tenant, name: str = "high") -> Outcome:
    """As the controller does: once, and once more where it acted."""
    site = tenant.site
    parts = Parts(site.store, site.metrics, Kinds(KINDS), Wake(site.home))
    record = site.store.get("Alarm", tenant.account, REGION, name)
    assert record
    outcome = AlarmReconciler().reconcile(record, parts)
    if isinstance(outcome, Do):
        outcome.action()
    return outcome


def alarm(tenant: Tenant, name: str = "high") -> dict[str, Any]:
    (found,) = tenant.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return dict(found)


def history(tenant: Tenant, **request: Any) -> list[tuple[str, str]]:
    request = {"AlarmName": "high", "ScanBy": "TimestampAscending"} | request
    pages = tenant.client("cloudwatch").get_paginator("describe_alarm_history").paginate(**request)
    return [(item["HistoryItemType"], item["HistorySummary"]) for page in pages for item in page["AlarmHistoryItems"]]


def test_life_of_an_alarm(tenant: Tenant) -> None:
    cloudwatch = tenant.client("cloudwatch")
    cloudwatch.put_metric_alarm(**ALARM, AlarmActions=[TOPIC], Tags=[{"Key": "team", "Value": "a"}])
    made = alarm(tenant)
    arn = f"arn:aws:cloudwatch:{REGION}:{tenant.account}:alarm:high"
    times = ("AlarmConfigurationUpdatedTimestamp", "StateUpdatedTimestamp", "StateTransitionedTimestamp")
    assert {name: value for name, value in made.items() if name not in times} == {
        **ALARM,
        "AlarmArn": arn,
        "ActionsEnabled": True,
        "OKActions": [],
        "AlarmActions": [TOPIC],
        "InsufficientDataActions": [],
        "StateValue": "INSUFFICIENT_DATA",
        "StateReason": "Unchecked: Initial alarm creation",
    }
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "team", "Value": "a"}]

    look(tenant)
    assert alarm(tenant)["StateReason"] == "Insufficient Data: 2 datapoints were unknown."
    put(tenant, 1.0, 20.0, 30.0)
    look(tenant)
    assert states(tenant.site.store, tenant.account, REGION, ["high", "none"]) == {"high": "ALARM"}
    fired = alarm(tenant)
    assert fired["StateReason"].startswith("Threshold Crossed: 2 out of the last 2 datapoints [30.0 (")
    assert json.loads(fired["StateReasonData"])["recentDatapoints"] == [20.0, 30.0]
    outcome = look(tenant)
    assert isinstance(outcome, Wait)
    assert outcome.seconds is not None
    assert 0 < outcome.seconds <= 62
    put(tenant, -30.0)
    look(tenant)
    assert alarm(tenant)["StateValue"] == "OK"

    cloudwatch.delete_alarms(AlarmNames=["high"])
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []
    assert history(tenant, MaxRecords=2) == [
        ("ConfigurationUpdate", 'Alarm "high" created'),
        ("StateUpdate", "Alarm updated from INSUFFICIENT_DATA to ALARM"),
        ("StateUpdate", "Alarm updated from ALARM to OK"),
        ("ConfigurationUpdate", 'Alarm "high" deleted'),
    ]
    assert history(tenant, HistoryItemType="Action", EndDate=datetime(2020, 1, 1, tzinfo=UTC)) == []


def test_a_set_state_holds_for_one_interval(tenant: Tenant) -> None:
    cloudwatch = tenant.client("cloudwatch")
    cloudwatch.put_metric_alarm(**ALARM)
    put(tenant, 1.0, 1.0)
    look(tenant)
    cloudwatch.set_alarm_state(AlarmName="high", StateValue="ALARM", StateReason="drill")
    outcome = look(tenant)
    assert isinstance(outcome, Wait)
    assert outcome.seconds is not None
    assert 0 < outcome.seconds <= 60
    assert (alarm(tenant)["StateValue"], alarm(tenant)["StateReason"]) == ("ALARM", "drill")


def test_a_changed_alarm_keeps_its_state_until_it_is_judged(tenant: Tenant) -> None:
    cloudwatch = tenant.client("cloudwatch")
    cloudwatch.put_metric_alarm(**ALARM)
    put(tenant, 20.0, 20.0)
    look(tenant)
    cloudwatch.put_metric_alarm(**ALARM | {"Threshold": 50.0, "DatapointsToAlarm": 1})
    changed = alarm(tenant)
    assert (changed["StateValue"], changed["Threshold"], changed["DatapointsToAlarm"]) == ("ALARM", 50.0, 1)
    look(tenant)
    assert alarm(tenant)["StateValue"] == "OK"


def test_metric_math(tenant: Tenant) -> None:
    cloudwatch = tenant.client("cloudwatch")
    stat = {"Metric": METRIC, "Period": 60, "Stat": "Sum"}
    queries = [
        {"Id": "twice", "Expression": "load * 2"},
        {"Id": "load", "MetricStat": stat, "ReturnData": False},
    ]
    shared = {name: ALARM[name] for name in ("AlarmName", "EvaluationPeriods", "Threshold", "ComparisonOperator")}
    cloudwatch.put_metric_alarm(**shared, Metrics=queries)
    put(tenant, 4.0, 6.0)
    look(tenant)
    assert alarm(tenant)["StateValue"] == "OK"
    put(tenant, 7.0, 6.0)
    look(tenant)
    assert alarm(tenant)["StateValue"] == "ALARM"
    found = cloudwatch.describe_alarms_for_metric(**METRIC)["MetricAlarms"]
    assert [one["AlarmName"] for one in found] == ["high"]
    assert cloudwatch.describe_alarms_for_metric(Namespace="N", MetricName="load")["MetricAlarms"] == []


def test_lists_and_switches(tenant: Tenant) -> None:
    cloudwatch = tenant.client("cloudwatch")
    for name in ("b", "a", "B", "c"):
        cloudwatch.put_metric_alarm(**ALARM | {"AlarmName": name}, OKActions=[TOPIC] if name == "c" else [])
    pages = cloudwatch.get_paginator("describe_alarms").paginate(MaxRecords=2)
    listed = [[one["AlarmName"] for one in page["MetricAlarms"]] for page in pages]
    assert listed == [["B", "a"], ["b", "c"]]

    def names(**request: Any) -> list[str]:
        return [one["AlarmName"] for one in cloudwatch.describe_alarms(**request)["MetricAlarms"]]

    assert names(ActionPrefix="arn:aws:sns:") == ["c"]
    assert names(AlarmNamePrefix="b") == ["b"]
    assert names(StateValue="ALARM") == []
    assert names(AlarmTypes=["CompositeAlarm"]) == []
    cloudwatch.disable_alarm_actions(AlarmNames=["c", "unknown"])
    assert alarm(tenant, "c")["ActionsEnabled"] is False
    cloudwatch.enable_alarm_actions(AlarmNames=["c"])
    assert alarm(tenant, "c")["ActionsEnabled"] is True


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Period": 45}, "Period must be 10, 20, 30 or a multiple of 60"),
        ({"EvaluationPeriods": 1441}, "Metrics cannot be checked across more than a day"),
        ({"DatapointsToAlarm": 3}, "DatapointsToAlarm must be less than or equal to EvaluationPeriods"),
        ({"TreatMissingData": "maybe"}, "maybe"),
        ({"Threshold": float("nan")}, "must be a finite number"),
        ({"AlarmActions": ["topic"]}, "Invalid arn syntax: topic"),
        ({"ExtendedStatistic": "p90"}, "Exactly one of Statistic or ExtendedStatistic"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "ThresholdMetricId is required"),
        ({"Metrics": [{"Id": "m", "Expression": "1"}]}, "Metrics list cannot be specified with MetricName"),
    ],
)
def test_alarms_that_cannot_be(tenant: Tenant, changes: dict[str, Any], words: str) -> None:
    with refused("ValidationError", words):
        tenant.client("cloudwatch").put_metric_alarm(**ALARM | changes)


def test_what_is_not_there(tenant: Tenant) -> None:
    cloudwatch = tenant.client("cloudwatch")
    cloudwatch.put_metric_alarm(**ALARM)
    with refused("ResourceNotFound", status=404):
        cloudwatch.delete_alarms(AlarmNames=["high", "other"])
    assert alarm(tenant)["AlarmName"] == "high"
    with refused("ResourceNotFound", status=404):
        cloudwatch.set_alarm_state(AlarmName="other", StateValue="OK", StateReason="")
    with refused("NotImplemented", "ThresholdMetricId are not supported. Anomaly bands", status=501):
        shared = {name: ALARM[name] for name in ("AlarmName", "EvaluationPeriods", "ComparisonOperator")}
        cloudwatch.put_metric_alarm(**shared, Metrics=[], ThresholdMetricId="band")
    percentile = {name: value for name, value in ALARM.items() if name != "Statistic"} | {"ExtendedStatistic": "p99"}
    with refused("NotImplemented", "few samples", status=501):
        cloudwatch.put_metric_alarm(**percentile, EvaluateLowSampleCountPercentile="ignore")
    stat = {"Metric": METRIC, "Period": 60, "Stat": "Sum"}
    with refused("NotImplemented", "other accounts", status=501):
        metrics = [{"Id": "m", "MetricStat": stat, "AccountId": "000000000000"}]
        cloudwatch.put_metric_alarm(**shared, Threshold=1.0, Metrics=metrics)


def test_composite_alarms(tenant: Tenant) -> None:
    cloudwatch = tenant.client("cloudwatch")
    cloudwatch.put_metric_alarm(**ALARM)
    cloudwatch.put_metric_alarm(**ALARM | {"AlarmName": "very high", "Threshold": 25.0})
    rule = 'ALARM(high) AND NOT ALARM("very high")'
    cloudwatch.put_composite_alarm(AlarmName="both", AlarmRule=rule, AlarmActions=[TOPIC])
    put(tenant, 20.0, 20.0)
    for name in ("high", "very high", "both"):
        look(tenant, name)
    assert states(tenant.site.store, tenant.account, REGION, ["both"]) == {"both": "ALARM"}
    (shown,) = cloudwatch.describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    assert (shown["AlarmRule"], shown["StateValue"]) == (rule, "ALARM")
    arn = f"arn:aws:cloudwatch:{REGION}:{tenant.account}:alarm:high"
    assert shown["StateReason"].startswith(f"{arn} transitioned to ALARM at ")
    assert [one["arn"] for one in json.loads(shown["StateReasonData"])["triggeringAlarms"]] == [arn]
    assert cloudwatch.describe_alarms(AlarmNames=["both"])["CompositeAlarms"] == []
    children = cloudwatch.describe_alarms(ChildrenOfAlarmName="both")["MetricAlarms"]
    assert [one["AlarmName"] for one in children] == ["high", "very high"]
    parents = cloudwatch.describe_alarms(ParentsOfAlarmName="high")["CompositeAlarms"]
    assert [one["AlarmName"] for one in parents] == ["both"]

    put(tenant, 50.0, 50.0)
    for name in ("very high", "both"):
        look(tenant, name)
    assert states(tenant.site.store, tenant.account, REGION, ["both"]) == {"both": "OK"}
    told = history(tenant, AlarmName="both", AlarmTypes=["CompositeAlarm"])
    assert told == [
        ("ConfigurationUpdate", 'Alarm "both" created'),
        ("StateUpdate", "Alarm updated from INSUFFICIENT_DATA to ALARM"),
        ("StateUpdate", "Alarm updated from ALARM to OK"),
    ]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("ALARM(high) AND", "it ends too early"),
        ("ALARM(nothing)", "nonexistent alarms: nothing"),
        ("ALARM(around)", "must not depend on its own alarm"),
        ("TRUE", "from 1 to 100 alarms"),
    ],
)
def test_composite_alarms_that_cannot_be(tenant: Tenant, rule: str, words: str) -> None:
    cloudwatch = tenant.client("cloudwatch")
    cloudwatch.put_metric_alarm(**ALARM)
    cloudwatch.put_composite_alarm(AlarmName="one", AlarmRule="OK(high)")
    cloudwatch.put_composite_alarm(AlarmName="around", AlarmRule="ALARM(one)")
    with refused("ValidationError", words):
        cloudwatch.put_composite_alarm(AlarmName="one", AlarmRule=rule)
    with refused("ValidationError", "of another type"):
        cloudwatch.put_metric_alarm(**ALARM | {"AlarmName": "one"})
    with refused("NotImplemented", "ActionsSuppressor", status=501):
        cloudwatch.put_composite_alarm(AlarmName="one", AlarmRule="OK(high)", ActionsSuppressor="high")
