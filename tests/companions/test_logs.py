"""CloudWatch Logs as boto3 and the SageMaker SDKs' own reading loops meet it."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.companions.refusals import refused
from tests.companions.tenants import REGION, Tenant

from clary.logfile import frame

GROUP = "/aws/sagemaker/TrainingJobs"
NOW = int(time.time() * 1000)


def write(path: Path, texts: list[str], start: int = NOW, step: int = 1) -> None:
    """What a shim does."""
    with path.open("ab", buffering=0) as file:
        for number, text in enumerate(texts):
            file.write(frame(start + number * step, text.encode()))


def stream(tenant: Tenant, name: str, texts: list[str] | None = None, group: str = GROUP, **times: int) -> Path:
    path = tenant.site.logs.stream(tenant.account, REGION, group, name)
    write(path, texts or [], **times)
    return path


def texts(events: list[dict[str, Any]]) -> list[str]:
    return [event["message"] for event in events]


def test_groups(tenant: Tenant) -> None:
    logs = tenant.client("logs")
    for name in ("/b/x", "/a/1", "/a/2"):
        logs.create_log_group(logGroupName=name, tags={"k": name})
    with refused("ResourceAlreadyExistsException", "already exists"):
        logs.create_log_group(logGroupName="/a/1")
    stream(tenant, "s", ["12345"], group="/a/1")
    found = logs.describe_log_groups(logGroupNamePrefix="/a/")["logGroups"]
    assert [(one["logGroupName"], one["storedBytes"]) for one in found] == [("/a/1", 20), ("/a/2", 0)]
    assert found[0]["arn"] == f"arn:aws:logs:{REGION}:{tenant.account}:log-group:/a/1:*"
    pages = logs.get_paginator("describe_log_groups").paginate(PaginationConfig={"PageSize": 2})
    assert [[one["logGroupName"] for one in page["logGroups"]] for page in pages] == [["/a/1", "/a/2"], ["/b/x"]]
    by_pattern = logs.describe_log_groups(logGroupNamePattern="B/X")["logGroups"]
    assert [one["logGroupName"] for one in by_pattern] == ["/b/x"]
    with refused("InvalidParameterException"):
        logs.describe_log_groups(logGroupNamePattern="b", logGroupNamePrefix="b")
    with refused("InvalidParameterException", "nextToken"):
        logs.describe_log_groups(nextToken="nonsense")
    logs.delete_log_group(logGroupName="/a/1")
    with refused("ResourceNotFoundException", "The specified log group does not exist."):
        logs.delete_log_group(logGroupName="/a/1")
    assert Tenant(tenant.site).client("logs").describe_log_groups()["logGroups"] == []
    assert tenant.client("logs", region="eu-west-1").describe_log_groups()["logGroups"] == []


def test_tags_by_arn_and_by_name(tenant: Tenant) -> None:
    logs = tenant.client("logs")
    logs.create_log_group(logGroupName="g", tags={"a": "1"})
    arn = logs.describe_log_groups()["logGroups"][0]["logGroupArn"]
    logs.tag_resource(resourceArn=arn, tags={"b": "2"})
    logs.tag_log_group(logGroupName="g", tags={"c": "3"})
    logs.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2", "c": "3"}
    logs.untag_log_group(logGroupName="g", tags=["b"])
    assert logs.list_tags_log_group(logGroupName="g")["tags"] == {"c": "3"}


def test_retention_hides_old_events(tenant: Tenant) -> None:
    logs = tenant.client("logs")
    path = stream(tenant, "s", ["old"], start=NOW - 3 * 86_400_000)
    write(path, ["new"])
    logs.put_retention_policy(logGroupName=GROUP, retentionInDays=1)
    assert logs.describe_log_groups()["logGroups"][0]["retentionInDays"] == 1
    assert texts(logs.get_log_events(logGroupName=GROUP, logStreamName="s", startFromHead=True)["events"]) == ["new"]
    assert texts(logs.filter_log_events(logGroupName=GROUP)["events"]) == ["new"]
    logs.delete_retention_policy(logGroupName=GROUP)
    assert "retentionInDays" not in logs.describe_log_groups()["logGroups"][0]
    assert texts(logs.filter_log_events(logGroupName=GROUP)["events"]) == ["old", "new"]
    with refused("InvalidParameterException", "retentionInDays"):
        logs.put_retention_policy(logGroupName=GROUP, retentionInDays=2)


def test_streams_by_name_and_time(tenant: Tenant) -> None:
    logs = tenant.client("logs")
    for number, name in enumerate(("job/algo-1", "job/algo-2", "other/algo-1", "job/empty")):
        stream(tenant, name, [] if name == "job/empty" else ["a", "b"], start=NOW - number * 1000)
    found = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix="job/")
    assert "nextToken" not in found
    assert [one["logStreamName"] for one in found["logStreams"]] == ["job/algo-1", "job/algo-2", "job/empty"]
    first, empty = found["logStreams"][0], found["logStreams"][2]
    assert {key: first[key] for key in ("firstEventTimestamp", "lastEventTimestamp", "storedBytes")} == {
        "firstEventTimestamp": NOW,
        "lastEventTimestamp": NOW + 1,
        "storedBytes": 32,
    }
    assert first["arn"] == f"arn:aws:logs:{REGION}:{tenant.account}:log-group:{GROUP}:log-stream:job/algo-1"
    assert "firstEventTimestamp" not in empty
    pages = logs.get_paginator("describe_log_streams")
    for descending in (False, True):
        walk = pages.paginate(
            logGroupName=GROUP, orderBy="LastEventTime", descending=descending, PaginationConfig={"PageSize": 3}
        )
        names = [[one["logStreamName"] for one in page["logStreams"]] for page in walk]
        ordered = ["job/empty", "other/algo-1", "job/algo-2", "job/algo-1"][:: -1 if descending else 1]
        assert names == [ordered[:3], ordered[3:]]
    backwards = pages.paginate(logGroupName=GROUP, descending=True, PaginationConfig={"PageSize": 3})
    names = [one["logStreamName"] for page in backwards for one in page["logStreams"]]
    assert names == ["other/algo-1", "job/empty", "job/algo-2", "job/algo-1"]
    with refused("InvalidParameterException"):
        logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix="job/", orderBy="LastEventTime")


def test_no_token_unless_more_is_there(tenant: Tenant) -> None:
    """SDK v2 repeats the call without the token for as long as it sees one."""
    logs = tenant.client("logs")
    for number in range(3):
        stream(tenant, f"job/algo-{number}")
    exact = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix="job/", limit=3)
    short = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix="job/", limit=2)
    assert ("nextToken" in exact, "nextToken" in short) == (False, True)


def test_stream_life(tenant: Tenant) -> None:
    logs = tenant.client("logs")
    with refused("ResourceNotFoundException", "log group"):
        logs.create_log_stream(logGroupName="g", logStreamName="s")
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    with refused("ResourceAlreadyExistsException", "log stream"):
        logs.create_log_stream(logGroupName="g", logStreamName="s")
    empty = logs.get_log_events(logGroupName="g", logStreamName="s", startFromHead=True)
    assert empty["events"] == []
    logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=[{"timestamp": NOW, "message": "x"}])
    after = logs.get_log_events(logGroupName="g", logStreamName="s", nextToken=empty["nextForwardToken"])
    assert texts(after["events"]) == ["x"]
    with refused("InvalidParameterException"):
        logs.create_log_stream(logGroupName="g", logStreamName="a\0b")
    with refused("ResourceNotFoundException"):
        logs.get_log_events(logGroupName="g", logStreamName="a\0b")
    logs.delete_log_stream(logGroupName="g", logStreamName="s")
    with refused("ResourceNotFoundException", "log stream"):
        logs.get_log_events(logGroupName="g", logStreamName="s")


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "a/../b", "/abs", "x" * 512, "é\u2028\U0001f600", "..", "a\tb", "%2e%2e"]
)
def test_names_are_only_names(tenant: Tenant, name: str) -> None:
    path = stream(tenant, name, ["hello"])
    assert path.is_relative_to(tenant.site.home / "logs")
    logs = tenant.client("logs")
    assert texts(logs.get_log_events(logGroupName=GROUP, logStreamName=name)["events"]) == ["hello"]
    assert [one["logStreamName"] for one in logs.describe_log_streams(logGroupName=GROUP)["logStreams"]] == [name]


def test_put_events(tenant: Tenant) -> None:
    logs = tenant.client("logs")
    stream(tenant, "s")
    messages = ["plain", "two\nlines", "back\\slash\\n", "tab\there", "cr\r", "é", " ", "\n"]
    answer = logs.put_log_events(
        logGroupName=GROUP,
        logStreamName="s",
        logEvents=[{"timestamp": NOW + number, "message": text} for number, text in enumerate(messages)],
    )
    assert "nextSequenceToken" in answer
    assert "rejectedLogEventsInfo" not in answer
    found = logs.get_log_events(logGroupName=GROUP, logStreamName="s", startFromHead=True)["events"]
    assert [(one["timestamp"] - NOW, one["message"]) for one in found] == list(enumerate(messages))


def test_put_refuses_what_aws_refuses(tenant: Tenant) -> None:
    logs = tenant.client("logs")
    stream(tenant, "s")

    def put(*events: tuple[int, str]) -> Any:
        return logs.put_log_events(
            logGroupName=GROUP, logStreamName="s", logEvents=[{"timestamp": at, "message": text} for at, text in events]
        )

    with refused("InvalidParameterException", "chronological order"):
        put((NOW, "a"), (NOW - 1, "b"))
    with refused("InvalidParameterException", "24 hours"):
        put((NOW - 90_000_000, "a"), (NOW, "b"))
    with refused("InvalidParameterException", "Log event too large"):
        put((NOW, "x" * 300_000))
    with refused("InvalidParameterException", "Upload too large"):
        put(*[(NOW, "x" * 200_000)] * 6)
    day = 86_400_000
    assert put((NOW - 14 * day - 1000, "a"), (NOW - 14 * day + 3_600_000, "b"))["rejectedLogEventsInfo"] == {
        "tooOldLogEventEndIndex": 1
    }
    assert put((NOW, "c"), (NOW + 3 * 3_600_000, "d"))["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 1}
    assert texts(logs.get_log_events(logGroupName=GROUP, logStreamName="s")["events"]) == ["b", "c"]


def test_late_events_are_still_found_by_time(tenant: Tenant) -> None:
    logs = tenant.client("logs")
    path = stream(tenant, "s", ["new"] * 3000, start=NOW)
    logs.put_log_events(logGroupName=GROUP, logStreamName="s", logEvents=[{"timestamp": NOW - 9000, "message": "late"}])
    write(path, ["after"], start=NOW + 4000)
    span = {"startTime": NOW - 10_000, "endTime": NOW}
    assert texts(logs.get_log_events(logGroupName=GROUP, logStreamName="s", **span)["events"]) == ["late"]
    assert texts(logs.filter_log_events(logGroupName=GROUP, **span)["events"]) == ["late"]
    assert texts(logs.filter_log_events(logGroupName=GROUP, limit=2)["events"]) == ["late", "new"]


def test_pages_both_ways(tenant: Tenant) -> None:
    logs = tenant.client("logs")
    stream(tenant, "s", [str(number) for number in range(10)])
    one = {"logGroupName": GROUP, "logStreamName": "s", "limit": 4}
    latest = logs.get_log_events(**one)
    assert texts(latest["events"]) == ["6", "7", "8", "9"]
    before = logs.get_log_events(**one, nextToken=latest["nextBackwardToken"])
    assert texts(before["events"]) == ["2", "3", "4", "5"]
    again = logs.get_log_events(**one, nextToken=before["nextForwardToken"])
    assert texts(again["events"]) == ["6", "7", "8", "9"]
    first = logs.get_log_events(**one, nextToken=before["nextBackwardToken"])
    assert texts(first["events"]) == ["0", "1"]
    end = logs.get_log_events(**one, nextToken=first["nextBackwardToken"])
    assert (end["events"], end["nextBackwardToken"]) == ([], first["nextBackwardToken"])
    for token in ("nonsense", "f/1", "f/" + "9" * 20, "f/00000000000000000003", "x/00000000000000000000"):
        with refused("InvalidParameterException", "The specified nextToken is invalid."):
            logs.get_log_events(**one, nextToken=token)


def test_times_are_from_and_up_to(tenant: Tenant) -> None:
    logs = tenant.client("logs")
    stream(tenant, "s", [str(number) for number in range(10)], start=NOW, step=10)
    span = {"logGroupName": GROUP, "logStreamName": "s", "startTime": NOW + 20, "endTime": NOW + 50}
    for from_head in (True, False):
        assert texts(logs.get_log_events(**span, startFromHead=from_head)["events"]) == ["2", "3", "4"]
    head = logs.get_log_events(**span, startFromHead=True)
    again = logs.get_log_events(**span, startFromHead=True, nextToken=head["nextForwardToken"])
    assert (again["events"], again["nextForwardToken"]) == ([], head["nextForwardToken"])


def v2_reader(logs: Any, name: str, position: dict[str, int]) -> Iterator[str]:
    """`sagemaker.logs.log_stream` and its caller, with boto3 calls: resumes at a time, skipping what it saw then."""
    token, count, skip = None, 1, position["skip"]
    start = position["timestamp"]
    while count > 0:
        given = {"nextToken": token} if token else {}
        answer = logs.get_log_events(
            logGroupName=GROUP, logStreamName=name, startTime=start, startFromHead=True, **given
        )
        token, events = answer["nextForwardToken"], answer["events"]
        count = len(events)
        events, skip = (events[skip:], 0) if count > skip else ([], skip - count)
        for event in events:
            same = event["timestamp"] == position["timestamp"]
            position["skip"] = position["skip"] + 1 if same else 1
            position["timestamp"] = event["timestamp"]
            yield event["message"]


def v3_reader(logs: Any, name: str, state: dict[str, str]) -> list[str]:
    """SDK v3's streamer: one call a poll, keeping the forward token between polls."""
    given = {"nextToken": state["token"]} if state else {}
    answer = logs.get_log_events(logGroupName=GROUP, logStreamName=name, startFromHead=True, **given)
    state["token"] = answer["nextForwardToken"]
    return texts(answer["events"])


def test_sdk_readers_see_everything_once(tenant: Tenant) -> None:
    logs = tenant.client("logs")
    path = stream(tenant, "job/algo-1-1")
    seen_v2: list[str] = []
    seen_v3: list[str] = []
    position, state, written = {"timestamp": 0, "skip": 0}, {}, []
    for turn in range(6):
        # Three lines to a millisecond, so that v2 must resume inside one; the fourth turn brings nothing.
        fresh = [] if turn == 3 else [f"{turn}.{number}" for number in range(10)]
        for number, text in enumerate(fresh):
            write(path, [text], start=NOW + (turn * 10 + number) // 3)
        written += fresh
        seen_v2 += v2_reader(logs, "job/algo-1-1", position)
        seen_v3 += v3_reader(logs, "job/algo-1-1", state)
    assert seen_v2 == seen_v3 == written
    token = state["token"]
    assert v3_reader(logs, "job/algo-1-1", state) == []
    assert state["token"] == token


def test_endpoint_live_log(tenant: Tenant) -> None:
    """The SDKs' deploy prints only pages with a token, and starts its next poll from it."""
    logs, group = tenant.client("logs"), "/aws/sagemaker/Endpoints/e"
    path = stream(tenant, "AllTraffic/i-1", ["a", "b"], group=group)
    pages, printed = logs.get_paginator("filter_log_events"), []
    config: dict[str, Any] = {}
    for fresh in ([], ["c"], [], ["d"]):
        write(path, fresh, start=NOW + 10 + len(printed))
        for page in pages.paginate(logGroupName=group, logStreamNamePrefix="AllTraffic/", PaginationConfig=config):
            if "nextToken" in page:
                printed += texts(page["events"])
                config = {"StartingToken": page["nextToken"]}
    assert printed == ["a", "b", "c", "d"]


def test_filter_merges_streams_by_time(tenant: Tenant) -> None:
    logs = tenant.client("logs")
    for number in range(3):
        stream(tenant, f"s{number}", [f"{number}.{line}" for line in range(40)], start=NOW + number, step=3)
    stream(tenant, "other", ["x"])
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=GROUP, logStreamNamePrefix="s", PaginationConfig={"PageSize": 7}
    )
    events = [event for page in pages for event in page["events"]]
    assert texts(events) == [f"{number}.{line}" for line in range(40) for number in range(3)]
    assert len({event["eventId"] for event in events}) == 120
    named = logs.filter_log_events(logGroupName=GROUP, logStreamNames=["s2", "other"], endTime=NOW + 3)
    assert [(one["logStreamName"], one["message"]) for one in named["events"]] == [("other", "x"), ("s2", "2.0")]
    with refused("ResourceNotFoundException", "log stream"):
        logs.filter_log_events(logGroupName=GROUP, logStreamNames=["nobody"])
    with refused("InvalidParameterException"):
        logs.filter_log_events(logGroupName=GROUP, logStreamNames=["s2"], logStreamNamePrefix="s")
    with refused("InvalidParameterException"):
        logs.filter_log_events(logGroupName=GROUP, filterPattern="[a, b]")


def test_filter_pattern_over_the_wire(tenant: Tenant) -> None:
    logs = tenant.client("logs")
    stream(tenant, "s", ["ERROR disk", "INFO ok", json.dumps({"level": "ERROR", "n": 3}), "ERROR net"])
    found = logs.filter_log_events(logGroupName=GROUP, filterPattern="ERROR -disk")["events"]
    assert texts(found) == ['{"level": "ERROR", "n": 3}', "ERROR net"]
    found = logs.filter_log_events(logGroupName=GROUP, filterPattern='{ $.level = "ERR*" && $.n > 2 }')["events"]
    assert texts(found) == ['{"level": "ERROR", "n": 3}']


def test_missing_group_is_the_error_that_readers_tolerate(tenant: Tenant) -> None:
    logs = tenant.client("logs")
    for call in (logs.describe_log_streams, logs.filter_log_events):
        with refused("ResourceNotFoundException", "The specified log group does not exist."):
            call(logGroupName=GROUP)
