"""CloudWatch metrics through unmodified boto3 (CBOR), and through the older JSON and query forms, signed by hand."""

import json
import time
import urllib.request
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.companions.refusals import refused
from tests.companions.tenants import REGION, Tenant

NAMESPACE = "/aws/sagemaker/TrainingJobs"
MINUTE = int(time.time()) // 60 * 60 - 600
JOB = [{"Name": "TrainingJobName", "Value": "job"}]
SPAN = {"StartTime": MINUTE, "EndTime": MINUTE + 600}


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(MINUTE + seconds, UTC)


def put(tenant: Tenant, values: list[float], name: str = "loss", seconds: float = 0, step: float = 0) -> None:
    tenant.site.metrics.put(
        tenant.account,
        REGION,
        NAMESPACE,
        [(name, {"TrainingJobName": "job"}, value, MINUTE + seconds + n * step) for n, value in enumerate(values)],
    )


def statistics(tenant: Tenant, **request: Any) -> list[dict[str, Any]]:
    defaults: dict[str, Any] = {"Namespace": NAMESPACE, "MetricName": "loss", "Dimensions": JOB, "Period": 60, **SPAN}
    answer = tenant.client("cloudwatch").get_metric_statistics(**defaults | request)
    points: list[dict[str, Any]] = answer["Datapoints"]
    return points


def stat(query: str, name: str = "loss", how: str = "Sum", period: int = 60, **more: Any) -> dict[str, Any]:
    metric = {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": JOB}
    return {"Id": query, "MetricStat": {"Metric": metric, "Period": period, "Stat": how}, **more}


def data(tenant: Tenant, *queries: dict[str, Any], **request: Any) -> dict[str, tuple[list[float], list[float]]]:
    """By query id: minutes since the start, and values; oldest first."""
    answer = tenant.client("cloudwatch").get_metric_data(
        MetricDataQueries=list(queries), ScanBy="TimestampAscending", **SPAN | request
    )
    return {
        one["Id"]: ([(when.timestamp() - MINUTE) / 60 for when in one["Timestamps"]], one["Values"])
        for one in answer["MetricDataResults"]
    }


def test_statistics_of_what_jobs_put(tenant: Tenant) -> None:
    """As SDK v2's analytics asks: period 60, Average."""
    put(tenant, [1.0, 2.0, 6.0])
    put(tenant, [5.0], seconds=150)
    points = statistics(tenant, Statistics=["SampleCount", "Average", "Sum", "Minimum", "Maximum"])
    first = {"SampleCount": 3.0, "Average": 3.0, "Sum": 9.0, "Minimum": 1.0, "Maximum": 6.0}
    second = {"SampleCount": 1.0, "Average": 5.0, "Sum": 5.0, "Minimum": 5.0, "Maximum": 5.0}
    assert points == [
        {"Timestamp": at(0), "Unit": "None", **first},
        {"Timestamp": at(120), "Unit": "None", **second},
    ]


def test_datapoints_are_there_when_empty(tenant: Tenant) -> None:
    answer = tenant.client("cloudwatch").get_metric_statistics(
        Namespace="none", MetricName="none", Period=60, Statistics=["Sum"], **SPAN
    )
    assert (answer["Label"], answer["Datapoints"]) == ("none", [])


def test_all_forms_of_data(tenant: Tenant) -> None:
    cloudwatch = tenant.client("cloudwatch")
    cloudwatch.put_metric_data(
        Namespace="mine",
        MetricData=[
            {"MetricName": "m", "Value": 1.0, "Timestamp": at(0), "Unit": "Seconds"},
            {"MetricName": "m", "Values": [2.0, 4.0], "Counts": [3.0, 1.0], "Timestamp": at(0), "Unit": "Seconds"},
            {"MetricName": "m", "Values": [5.0], "Timestamp": at(0), "Unit": "Seconds"},
            {
                "MetricName": "m",
                "StatisticValues": {"SampleCount": 2, "Sum": 9, "Minimum": 0.5, "Maximum": 8.5},
                "Timestamp": at(0),
                "Unit": "Bytes",
            },
        ],
    )
    names = ["SampleCount", "Sum", "Minimum", "Maximum"]
    points = statistics(tenant, Namespace="mine", MetricName="m", Dimensions=[], Statistics=names)
    by_unit = {point["Unit"]: tuple(point[name] for name in names) for point in points}
    assert by_unit == {"Seconds": (6.0, 16.0, 1.0, 5.0), "Bytes": (2.0, 9.0, 0.5, 8.5)}
    only = statistics(tenant, Namespace="mine", MetricName="m", Dimensions=[], Statistics=["Sum"], Unit="Bytes")
    assert [point["Sum"] for point in only] == [9.0]


def test_percentiles_come_from_the_values(tenant: Tenant) -> None:
    put(tenant, [float(value) for value in range(101)])
    (point,) = statistics(tenant, ExtendedStatistics=["p0", "p50", "p99.5", "p100"])
    assert point["ExtendedStatistics"] == {"p0": 0.0, "p50": 50.0, "p99.5": 99.5, "p100": 100.0}
    with refused("InvalidParameterValue", "tm99"):
        statistics(tenant, ExtendedStatistics=["tm99"])


def test_periods_start_on_the_minute(tenant: Tenant) -> None:
    put(tenant, [1.0] * 10, step=30)
    start = datetime.fromtimestamp(MINUTE + 42, UTC)
    points = statistics(tenant, StartTime=start, Period=120, Statistics=["Sum"])
    assert [(point["Timestamp"], point["Sum"]) for point in points] == [(at(0), 4.0), (at(120), 4.0), (at(240), 2.0)]
    high = statistics(tenant, Period=30, EndTime=at(60), Statistics=["Sum"])
    assert [point["Timestamp"] for point in high] == [at(0), at(30)]


@pytest.mark.parametrize(
    ("code", "request_"),
    [
        ("InvalidParameterValue", {"Period": 61, "Statistics": ["Sum"]}),
        ("InvalidParameterValue", {"StartTime": at(600), "EndTime": at(0), "Statistics": ["Sum"]}),
        ("InvalidParameterCombination", {}),
        ("InvalidParameterCombination", {"Statistics": ["Sum"], "ExtendedStatistics": ["p1"]}),
        ("InvalidParameterCombination", {"Statistics": ["Sum"], "StartTime": at(-86_400 * 9)}),
    ],
)
def test_bad_questions(tenant: Tenant, code: str, request_: dict[str, Any]) -> None:
    with refused(code):
        statistics(tenant, **request_)


@pytest.mark.parametrize(
    ("code", "namespace", "datum"),
    [
        ("InvalidParameterValue", "AWS/SageMaker", {"Value": 1.0}),
        ("MissingParameter", "mine", {}),
        ("InvalidParameterCombination", "mine", {"Value": 1.0, "Values": [1.0]}),
        ("InvalidParameterValue", "mine", {"Value": float("nan")}),
        ("InvalidParameterValue", "mine", {"Value": float("inf")}),
        ("InvalidParameterValue", "mine", {"Value": 1e200}),
        ("InvalidParameterValue", "mine", {"Value": 1.0, "Dimensions": [{"Name": "a", "Value": "b\0"}]}),
        ("InvalidParameterValue", "mine", {"Values": [1.0], "Counts": [1.0, 2.0]}),
        ("InvalidParameterValue", "mine", {"Value": 1.0, "Timestamp": at(-86_400 * 20)}),
        ("InvalidParameterValue", "mine", {"Value": 1.0, "Timestamp": at(86_400)}),
        ("InvalidParameterValue", "mine", {"Value": 1.0, "Dimensions": [{"Name": "a", "Value": "b"}] * 2}),
    ],
)
def test_bad_data_puts_nothing(tenant: Tenant, code: str, namespace: str, datum: dict[str, Any]) -> None:
    cloudwatch = tenant.client("cloudwatch")
    good = {"MetricName": "good", "Value": 1.0}
    with refused(code):
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=[good, {"MetricName": "m", **datum}])
    assert cloudwatch.list_metrics()["Metrics"] == []


def test_listing(tenant: Tenant) -> None:
    cloudwatch = tenant.client("cloudwatch")
    tenant.site.metrics.put(
        tenant.account,
        REGION,
        "ns",
        [(f"m{number % 2}", {"job": f"{number:04d}", "host": "a"}, 1.0, time.time()) for number in range(1100)],
    )
    pages = [page["Metrics"] for page in cloudwatch.get_paginator("list_metrics").paginate(Namespace="ns")]
    assert [len(page) for page in pages] == [500, 500, 100]
    assert len({json.dumps(metric) for page in pages for metric in page}) == 1100
    one = {"Name": "job", "Value": "0007"}
    assert cloudwatch.list_metrics(Dimensions=[one])["Metrics"] == [
        {"Namespace": "ns", "MetricName": "m1", "Dimensions": [{"Name": "host", "Value": "a"}, one]}
    ]
    assert len(cloudwatch.list_metrics(MetricName="m0", Dimensions=[{"Name": "host"}])["Metrics"]) == 500
    assert cloudwatch.list_metrics(MetricName="m0", Dimensions=[{"Name": "nobody"}])["Metrics"] == []
    assert len(cloudwatch.list_metrics(RecentlyActive="PT3H", Dimensions=[one])["Metrics"]) == 1
    assert Tenant(tenant.site).client("cloudwatch").list_metrics()["Metrics"] == []
    with refused("InvalidParameterValue", "NextToken"):
        cloudwatch.list_metrics(NextToken="nonsense")


def test_data_and_math(tenant: Tenant) -> None:
    put(tenant, [2.0, 4.0, 6.0], "a", step=60)
    put(tenant, [1.0, 0.0, 3.0, 9.0], "b", step=60)
    found = data(
        tenant,
        stat("a", "a"),
        stat("b", "b", ReturnData=False),
        {"Id": "ratio", "Expression": "100 * a / b - 1"},
        {"Id": "sum", "Expression": "SUM([a, b])"},
        {"Id": "all", "Expression": "MAX(METRICS())"},
        {"Id": "share", "Expression": "a / SUM(a)"},
        {"Id": "mean", "Expression": "AVG([a,b])*-(2)^2"},
        {"Id": "twice", "Expression": "ABS(-ratio) + ratio"},
    )
    assert found == {
        "a": ([0, 1, 2], [2.0, 4.0, 6.0]),
        "ratio": ([0, 2], [199.0, 199.0]),
        "sum": ([0, 1, 2, 3], [3.0, 4.0, 9.0, 9.0]),
        "all": ([0, 1, 2, 3], [2.0, 4.0, 6.0, 9.0]),
        "share": ([0, 1, 2], [2 / 12, 4 / 12, 6 / 12]),
        "mean": ([0, 1, 2, 3], [-6.0, -8.0, -18.0, -36.0]),
        "twice": ([0, 2], [398.0, 398.0]),
    }


@pytest.mark.parametrize(
    "expression",
    [
        *(
            "FILL(a, 0)",
            "SEARCH('x', 'Sum')",
            "a +",
            "a b",
            "(a",
            "[a]",
            "1 / 0 * a",
            "nobody",
            "e",
            "1 + 1",
            "A",
            "SUM()",
        ),
        *("(" * 500 + "a" + ")" * 500, "-" * 1500 + "a)", "$", "[a] + a", ""),
    ],
)
def test_bad_expressions(tenant: Tenant, expression: str) -> None:
    code = "ValidationError"
    with refused(code) if expression else pytest.raises(Exception, match="Expression"):
        data(tenant, stat("a", "a"), {"Id": "e", "Expression": expression})


@pytest.mark.parametrize(
    "queries",
    [[stat("a"), stat("a")], [{"Id": "a"}], [stat("a", Expression="1")], [stat("a", how="tm9")]],
)
def test_bad_queries(tenant: Tenant, queries: list[dict[str, Any]]) -> None:
    with refused("ValidationError"):
        data(tenant, *queries)


def test_data_by_pages(tenant: Tenant) -> None:
    put(tenant, [float(number) for number in range(10)], "a", step=60)
    put(tenant, [float(number) for number in range(5)], "b", step=60)
    pages = (
        tenant.client("cloudwatch")
        .get_paginator("get_metric_data")
        .paginate(
            MetricDataQueries=[stat("a", "a"), stat("empty", "nobody"), stat("b", "b")],
            ScanBy="TimestampAscending",
            PaginationConfig={"PageSize": 4},
            **SPAN,
        )
    )
    shown = [[(one["Id"], one["Values"], one["StatusCode"]) for one in page["MetricDataResults"]] for page in pages]
    assert shown == [
        [("a", [0, 1, 2, 3], "PartialData")],
        [("a", [4, 5, 6, 7], "PartialData")],
        [("a", [8, 9], "Complete"), ("empty", [], "Complete"), ("b", [0, 1], "PartialData")],
        [("b", [2, 3, 4], "Complete")],
    ]


def test_newest_first_unless_asked(tenant: Tenant) -> None:
    put(tenant, [1.0, 2.0], "a", step=60)
    answer = tenant.client("cloudwatch").get_metric_data(MetricDataQueries=[stat("a", "a", how="p50")], **SPAN)
    (result,) = answer["MetricDataResults"]
    assert (result["Label"], result["Timestamps"], result["Values"]) == ("a", [at(60), at(0)], [2.0, 1.0])
    with refused("InvalidNextToken"):
        tenant.client("cloudwatch").get_metric_data(MetricDataQueries=[stat("a", "a")], NextToken="nonsense", **SPAN)


def signed(tenant: Tenant, headers: dict[str, str], body: bytes) -> bytes:
    keys = Credentials(tenant.credentials["access_key"], tenant.credentials["secret"])
    request = AWSRequest("POST", tenant.site.url + "/", data=body, headers=headers)
    SigV4Auth(keys, "monitoring", REGION).add_auth(request)
    plain = urllib.request.Request(request.url, data=body, headers=dict(request.headers), method="POST")
    with urllib.request.urlopen(plain, timeout=60) as answer:
        content: bytes = answer.read()
        return content


def test_json_form(tenant: Tenant) -> None:
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "GraniteServiceVersion20100801."}

    def call(operation: str, **request: Any) -> Any:
        target = headers | {"X-Amz-Target": headers["X-Amz-Target"] + operation}
        return json.loads(signed(tenant, target, json.dumps(request).encode()) or b"null")

    call("PutMetricData", Namespace="n", MetricData=[{"MetricName": "m", "Value": 2.5, "Timestamp": MINUTE}])
    answer = call("GetMetricStatistics", Namespace="n", MetricName="m", Period=60, Statistics=["Sum"], **SPAN)
    assert answer == {"Label": "m", "Datapoints": [{"Timestamp": MINUTE, "Sum": 2.5, "Unit": "None"}]}


def test_query_form(tenant: Tenant) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}

    def call(action: str, **request: Any) -> str:
        form = {"Action": action, "Version": "2010-08-01", **request}
        return signed(tenant, headers, urlencode(form).encode()).decode()

    when = at(0).strftime("%Y-%m-%dT%H:%M:%SZ")
    first = {"MetricData.member.1.MetricName": "m", "MetricData.member.1.Value": "2.5"}
    call("PutMetricData", Namespace="n", **first, **{"MetricData.member.1.Timestamp": when})
    span = {"StartTime": when, "EndTime": at(60).strftime("%Y-%m-%dT%H:%M:%SZ")}
    answer = call(
        "GetMetricStatistics", Namespace="n", MetricName="m", Period=60, **{"Statistics.member.1": "Sum"}, **span
    )
    assert "<Sum>2.5</Sum>" in answer
    assert f"<Timestamp>{when}</Timestamp>" in answer
