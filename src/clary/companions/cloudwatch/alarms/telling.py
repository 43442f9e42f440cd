"""What an alarm tells a topic when it moves: the message and subject that CloudWatch sends. Pure.

The members are those of AWS's page on alarm notifications
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html).
"""

import json
from datetime import UTC, datetime
from typing import Any

from clary.catalogue.types import regions
from clary.companions.cloudwatch.alarms.kind import ACTIONS, RULE, arn
from clary.resources.records import Record

Told = dict[str, Any]
MOST_SUBJECT = 100


def told(alarm: Record, before: str) -> tuple[str, str]:
    """Subject and body for an alarm that was in state `before`, as it now is."""
    place = regions().get(alarm.region, alarm.region)
    subject = f'{alarm.status}: "{alarm.name}" in {place}'[:MOST_SUBJECT]
    return subject, json.dumps(_message(alarm, before, place), separators=(",", ":"), ensure_ascii=False)


def _message(alarm: Record, before: str, place: str) -> Told:
    composite = RULE in alarm.spec
    configured = {} if composite else {"AlarmConfigurationUpdatedTimestamp": _stamp(alarm, "AlarmConfigurationUpdated")}
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.spec.get("AlarmDescription"),
        "AWSAccountId": alarm.account,
        **configured,
        "NewStateValue": alarm.status,
        "NewStateReason": alarm.state.get("StateReason", ""),
        "StateChangeTime": _stamp(alarm, "StateUpdated"),
        "Region": place,
        "AlarmArn": arn(alarm.account, alarm.region, alarm.name),
        "OldStateValue": before,
        **{member: alarm.spec.get(member, []) for member in ACTIONS.values()},
        **(_rule(alarm) if composite else {"Trigger": _trigger(alarm.spec)}),
    }


def _stamp(alarm: Record, what: str) -> str:
    at = datetime.fromtimestamp(alarm.state[f"{what}Timestamp"], UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"


def _rule(alarm: Record) -> Told:
    data = alarm.state.get("StateReasonData") or "{}"
    try:
        triggering = json.loads(data).get("triggeringAlarms", [])
    except (ValueError, AttributeError):
        # What SetAlarmState gave, which may be anything.
        triggering = []
    children = [
        {"Arn": each["arn"], "State": {"Value": each["state"]["value"], "Timestamp": each["state"]["timestamp"]}}
        for each in triggering
    ]
    return {"AlarmRule": alarm.spec[RULE], "TriggeringChildren": children}


def _trigger(spec: Told) -> Told:
    rule = {
        "EvaluationPeriods": spec["EvaluationPeriods"],
        "DatapointsToAlarm": spec.get("DatapointsToAlarm", spec["EvaluationPeriods"]),
        "ComparisonOperator": spec["ComparisonOperator"],
        "Threshold": spec["Threshold"],
        "TreatMissingData": spec.get("TreatMissingData", "missing"),
        "EvaluateLowSampleCountPercentile": spec.get("EvaluateLowSampleCountPercentile", ""),
    }
    if "Metrics" in spec:
        return {**rule, "Metrics": [_query(query) for query in spec["Metrics"]]}
    return {
        "MetricName": spec["MetricName"],
        "Namespace": spec["Namespace"],
        **_statistic(spec),
        "Unit": spec.get("Unit"),
        "Dimensions": _dimensions(spec),
        "Period": spec["Period"],
        **rule,
    }


def _statistic(spec: Told) -> Told:
    if "ExtendedStatistic" in spec:
        return {"StatisticType": "ExtendedStatistic", "ExtendedStatistic": spec["ExtendedStatistic"]}
    words = {"SampleCount": "SAMPLE_COUNT"}
    return {"StatisticType": "Statistic", "Statistic": words.get(spec["Statistic"], spec["Statistic"].upper())}


def _query(query: Told) -> Told:
    if "MetricStat" not in query:
        return query
    measured = query["MetricStat"]
    metric = {**measured["Metric"], "Dimensions": _dimensions(measured["Metric"])}
    return {**query, "MetricStat": {**measured, "Metric": metric}}


def _dimensions(metric: Told) -> list[Told]:
    return [{"value": each["Value"], "name": each["Name"]} for each in metric.get("Dimensions", [])]
