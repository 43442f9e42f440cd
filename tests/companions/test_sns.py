"""Alarms tell topics: what the message says, and that it is delivered whoever is killed on the way."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from tests.companions.tenants import REGION, Tenant
from tests.companions.test_alarms import ALARM, TOPIC, look, put
from tests.servers import wait_until
from tests.subscribers import Subscriber, subscribed

from clary.companions.cloudwatch.alarms import delivered
from clary.companions.cloudwatch.alarms.telling import told
from clary.companions.sns import TRIES, TRY_SECONDS, MessageReconciler
from clary.companions.sns.reconcile import BUSY_SECONDS, NOT_BEFORE_KEY
from clary.companions.sns.sinks import PATIENCE_SECONDS
from clary.objects import LocalObjects
from clary.resources.query import Query
from clary.resources.reconcile import Become, Do, Outcome, Wait
from clary.resources.records import Record
from clary.resources.wake import Wake
from clary.settings import Settings
from clary.wire.context import Parts

pytestmark = pytest.mark.usefixtures("minute")

OTHER = "arn:aws:sns:us-east-1:123456789012:other"


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    with subscribed() as found:
        yield found


def parts_of(tenant: Tenant, url: str) -> Parts:
    site = tenant.site
    objects = LocalObjects(site.home / "objects", site.store.database)
    settings = Settings(home=site.home, sns_topics={TOPIC: url, OTHER: "s3://told/alarms"})
    return Parts(settings, site.store, site.logs, Wake(site.home), objects)


def messages(tenant: Tenant) -> list[Record]:
    query = Query(kind="Message", account=tenant.account, region=REGION, limit=100)
    return list(tenant.site.store.page(query).records)


def shown(tenant: Tenant, alarm: str = "high") -> list[dict[str, Any]]:
    """The actions of the alarm's history, oldest first."""
    found = tenant.client("cloudwatch").describe_alarm_history(
        AlarmName=alarm, HistoryItemType="Action", ScanBy="TimestampAscending"
    )
    items = [(item["HistorySummary"], json.loads(item["HistoryData"])) for item in found["AlarmHistoryItems"]]
    return [{"summary": summary, **data} for summary, data in items]


def ended(outcome: Outcome) -> None:
    """The message goes; a controller that is killed before that does it again."""
    assert isinstance(outcome, Do)
    outcome.action()
    outcome.action()


def tried(reconciler: MessageReconciler, record: Record, parts: Parts) -> Outcome:
    """What comes of one try."""
    assert reconciler.reconcile(record, parts) == Wait(2 * PATIENCE_SECONDS)
    found: list[Outcome] = []
    wait_until(lambda: not isinstance(found.append(reconciler.reconcile(record, parts)) or found[-1], Wait))
    return found[-1]


def test_a_topic_is_told_of_an_alarm_and_told_again_after_a_kill(tenant: Tenant, subscriber: Subscriber) -> None:
    actions = {"AlarmActions": [TOPIC, "arn:aws:sns:us-east-1:123456789012:unknown"], "OKActions": [OTHER]}
    tenant.client("cloudwatch").put_metric_alarm(**ALARM, AlarmDescription="busy", **actions)
    put(tenant, 20.0, 30.0)
    look(tenant)
    first, second = sorted(messages(tenant), key=lambda record: record.spec["Topic"])
    body = json.loads(first.spec["Body"])
    times = {name: body.pop(name) for name in ("AlarmConfigurationUpdatedTimestamp", "StateChangeTime")}
    assert all(time.endswith("+0000") for time in times.values())
    assert body.pop("NewStateReason").startswith("Threshold Crossed: ")
    assert body == {
        "AlarmName": "high",
        "AlarmDescription": "busy",
        "AWSAccountId": tenant.account,
        "NewStateValue": "ALARM",
        "Region": "US East (N. Virginia)",
        "AlarmArn": f"arn:aws:cloudwatch:{REGION}:{tenant.account}:alarm:high",
        "OldStateValue": "INSUFFICIENT_DATA",
        "InsufficientDataActions": [],
        **actions,
        "Trigger": {
            "MetricName": "load",
            "Namespace": "N",
            "StatisticType": "Statistic",
            "Statistic": "SUM",
            "Unit": None,
            "Dimensions": [{"value": "a", "name": "Host"}],
            "Period": 60,
            "EvaluationPeriods": 2,
            "DatapointsToAlarm": 2,
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": 10.0,
            "TreatMissingData": "missing",
            "EvaluateLowSampleCountPercentile": "",
        },
    }

    parts = parts_of(tenant, subscriber.url)
    assert isinstance(tried(MessageReconciler(delivered), first, parts), Do)
    assert [action["actionState"] for action in shown(tenant)] == []
    # As after a kill before the record was removed: a controller that knows of no delivery.
    ended(tried(MessageReconciler(delivered), first, parts))
    assert messages(tenant) == [second]
    assert shown(tenant) == [
        {
            "summary": f"Successfully executed action {TOPIC}",
            "actionState": "Succeeded",
            "stateUpdateTimestamp": int(first.created * 1000),
            "notificationResource": TOPIC,
            "publishedMessage": first.spec["Body"],
            "error": None,
        }
    ]
    ((headers, envelope), (_, again)) = subscriber.got
    assert (envelope["MessageId"], envelope["Message"]) == (again["MessageId"], first.spec["Body"])
    assert (envelope["Subject"], headers["x-amz-sns-topic-arn"]) == ('ALARM: "high" in US East (N. Virginia)', TOPIC)

    for _ in range(2):
        assert isinstance(tried(MessageReconciler(delivered), second, parts), Do)
    logged = tenant.client("logs").get_log_events(
        logGroupName=f"sns/{REGION}/{tenant.account}/unknown", logStreamName="notifications"
    )["events"]
    assert [json.loads(event["message"])["MessageId"] for event in logged] == [second.name]


def test_what_is_tried_four_times_or_carried_out_by_nobody_has_failed(tenant: Tenant, subscriber: Subscriber) -> None:
    function = "arn:aws:lambda:us-east-1:123456789012:function:f"
    tenant.client("cloudwatch").put_metric_alarm(**ALARM, AlarmActions=[function, TOPIC])
    put(tenant, 20.0, 30.0)
    look(tenant)
    (record,) = messages(tenant)
    (nobody,) = shown(tenant)
    assert (nobody["actionState"], nobody["notificationResource"]) == ("Failed", function)
    parts, reconciler, subscriber.status = parts_of(tenant, subscriber.url), MessageReconciler(delivered), 500
    for attempt in range(1, TRIES):
        outcome = tried(reconciler, record, parts)
        assert isinstance(outcome, Become)
        assert (outcome.message, outcome.state["Tries"]) == (f"{subscriber.url} answered 500", attempt)
        record.state.update(outcome.state)
        waiting = reconciler.reconcile(record, parts)
        assert isinstance(waiting, Wait)
        assert waiting.seconds is not None
        assert 0 < waiting.seconds <= TRY_SECONDS
        record.state[NOT_BEFORE_KEY] = 0.0
    tenant.client("cloudwatch").delete_alarms(AlarmNames=["high"])
    ended(tried(reconciler, record, parts))
    _, failed = shown(tenant)
    error = f"{subscriber.url} answered 500"
    assert failed["summary"] == f'Failed to execute action {TOPIC}. Received error: "{error}"'
    assert (failed["actionState"], failed["error"], messages(tenant)) == ("Failed", error, [])
    assert len({envelope["MessageId"] for _, envelope in subscriber.got}) == 1
    assert len(subscriber.got) == TRIES


def test_a_silent_topic_gets_one_message_at_a_time_and_holds_up_no_other(tenant: Tenant) -> None:
    record = Record(
        id="1", account=tenant.account, region=REGION, kind="Message", name="m", status="Pending", created=0.0,
        spec={"Topic": TOPIC, "Subject": "", "Body": "b"}, modified=0.0,
    )  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as silent:
        parts = parts_of(tenant, f"http://127.0.0.1:{silent.getsockname()[1]}/")
        reconciler = MessageReconciler(delivered)
        assert reconciler.reconcile(record, parts) == Wait(2 * PATIENCE_SECONDS)
        assert reconciler.reconcile(record, parts) == Wait(PATIENCE_SECONDS)
        for topic, seconds in ((TOPIC, BUSY_SECONDS), (f"{OTHER}s", 2 * PATIENCE_SECONDS)):
            other = msgspec.structs.replace(record, id=topic, spec={**record.spec, "Topic": topic})
            assert reconciler.reconcile(other, parts) == Wait(seconds)
    wait_until(lambda: isinstance(reconciler.reconcile(record, parts), Become))


def composite(data: str) -> Record:
    at = {"StateUpdatedTimestamp": 1_700_000_000.5, "AlarmConfigurationUpdatedTimestamp": 1_700_000_000.5}
    spec = {"AlarmName": "both", "AlarmRule": "ALARM(high)", "AlarmActions": [TOPIC]}
    return Record(
        id="1", account="123456789012", region="eu-nowhere-1", kind="Alarm", name="both", status="ALARM",
        created=0.0, modified=0.0, spec=spec, state={"StateReason": "why", "StateReasonData": data, **at},
    )  # fmt: skip


@pytest.mark.parametrize("data", ["", "no json", '"text"', '{"triggeringAlarms": []}'])
def test_message_of_a_composite_alarm(data: str) -> None:
    subject, body = told(composite(data), "OK")
    assert subject == 'ALARM: "both" in eu-nowhere-1'
    assert json.loads(body) == {
        "AlarmName": "both",
        "AlarmDescription": None,
        "AWSAccountId": "123456789012",
        "NewStateValue": "ALARM",
        "NewStateReason": "why",
        "StateChangeTime": "2023-11-14T22:13:20.500+0000",
        "Region": "eu-nowhere-1",
        "AlarmArn": "arn:aws:cloudwatch:eu-nowhere-1:123456789012:alarm:both",
        "OldStateValue": "OK",
        "OKActions": [],
        "AlarmActions": [TOPIC],
        "InsufficientDataActions": [],
        "AlarmRule": "ALARM(high)",
        "TriggeringChildren": [],
    }


def test_message_of_metric_math_and_of_children() -> None:
    child = {"arn": "arn:x", "state": {"value": "ALARM", "timestamp": "2023-11-14T22:13:20.500+0000"}}
    _, body = told(composite(json.dumps({"triggeringAlarms": [child]})), "OK")
    assert json.loads(body)["TriggeringChildren"] == [
        {"Arn": "arn:x", "State": {"Value": "ALARM", "Timestamp": "2023-11-14T22:13:20.500+0000"}}
    ]
    metric = {"Namespace": "N", "MetricName": "m", "Dimensions": [{"Name": "Host", "Value": "a"}]}
    stat: dict[str, Any] = {"Metric": metric, "Period": 60, "Stat": "Sum"}
    math = composite("")
    del math.spec["AlarmRule"]
    math.spec.update(
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="LessThanThreshold",
        Metrics=[{"Id": "m", "MetricStat": stat, "ReturnData": False}, {"Id": "e", "Expression": "m * 2"}],
    )
    assert json.loads(told(math, "OK")[1])["Trigger"]["Metrics"] == [
        {
            "Id": "m",
            "MetricStat": {**stat, "Metric": {**metric, "Dimensions": [{"value": "a", "name": "Host"}]}},
            "ReturnData": False,
        },
        {"Id": "e", "Expression": "m * 2"},
    ]
