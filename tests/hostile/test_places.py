"""Names, keys and addresses that try to be paths."""

import contextlib
import os
from typing import Any
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError
from tests.capabilities.training.journey import BUCKET, data
from tests.capabilities.training.records import IMAGES, ROLE, channel, request
from tests.hostile.signing import Request
from tests.hostile.site import ACCOUNT, Site

UP = "../../../../../../../../tmp/clary-hostile-key"
KEYS = (
    *(UP, f"a/{UP}", "/tmp/clary-hostile-key", "//tmp//x", "..", ".", "a/..", "a/./b", "a//b", "/", "a/", "..\\..\\x"),
    *("%2e%2e%2fx", "%252e%252e%252fx", "a%00b", "~root/x", "C:\\x", "\\\\host\\share", "a\nb", "a\r\nX: 1", "\u202ex"),
    *(
        ".data/00/x",
        ".uploads/x",
        ".staging/x",
        ".locks/x",
        "-rf",
        "*",
        "$(id)",
        "a" * 1024,
        "a" * 300 + "/b",
        "b/" * 500,
    ),
    *("con", "nul.txt", "\u00e9", "e\u0301", "\u2028", "\ufeff", "\U0001f600" * 200),
)


def test_keys_that_try_to_be_paths(site: Site) -> None:
    """Each is a name and no more: what was put under it comes back, and nothing else is there."""
    site.s3.create_bucket(Bucket="paths-bucket")
    for number, key in enumerate(KEYS):
        body = f"body {number}".encode()
        site.owner.send(_object(site, "PUT", key, body, "paths-bucket"))
        got = site.owner.send(_object(site, "GET", key, bucket="paths-bucket"))
        assert (got.status, got.body) == (200, body), key
    listed = {entry["Key"] for entry in site.s3.list_objects_v2(Bucket="paths-bucket")["Contents"]}
    assert listed == set(KEYS)
    assert {path.name for path in site.home.iterdir()}.isdisjoint(part for key in KEYS for part in key.split("/"))
    assert not os.path.lexists("/tmp/clary-hostile-key")
    for key in KEYS:
        assert site.owner.send(_object(site, "DELETE", key, bucket="paths-bucket")).status == 204
    assert site.s3.list_objects_v2(Bucket="paths-bucket")["KeyCount"] == 0


@pytest.fixture(autouse=True, scope="module")
def bucket(site: Site) -> None:
    for name in ("keys-bucket", "places-bucket"):
        site.s3.create_bucket(Bucket=name)


def _object(site: Site, method: str, key: str, body: bytes = b"", bucket: str = "keys-bucket") -> Request:
    return site.owner.sign(Request(method, f"/{bucket}/{quote(key, safe='/~')}", body=body), service="s3")


def test_keys_that_no_object_can_have(site: Site) -> None:
    for key in ("a" * 1025, "\u00e9" * 600):
        assert site.owner.send(_object(site, "PUT", key, b"x")).pair == (400, "KeyTooLongError")
    bad = site.owner.sign(Request("PUT", "/keys-bucket/%ff%fe", body=b"x"), service="s3")
    assert site.owner.send(bad).status in (400, 403)


@pytest.mark.parametrize(
    "name", ["..", "../x", "a..b", ".data", ".uploads", "a/b", "A", "a", "1.2.3.4", "x" * 64, "xn--a"]
)
def test_buckets_that_try_to_be_paths(site: Site, name: str) -> None:
    answer = site.owner.send(site.owner.sign(Request("PUT", f"/{quote(name, safe='')}"), service="s3"))
    assert 400 <= answer.status < 500, answer


NAMES = (
    "..",
    "../../x",
    "a/b",
    "/etc/passwd",
    "a\0",
    "-a",
    "a-",
    "a_b",
    "a" * 64,
    "a" * 70_000,
    "\u00e9",
    "a\n",
    "",
    ".",
)
CALLS: dict[str, str] = {
    **{f"{verb}TrainingJob": "TrainingJobName" for verb in ("Describe", "Stop", "Delete")},
    **{
        f"{verb}{kind}": f"{kind}Name"
        for verb in ("Describe", "Delete")
        for kind in ("Model", "Endpoint", "EndpointConfig")
    },
}


@pytest.mark.parametrize("operation", CALLS)
def test_names_that_try_to_be_paths(site: Site, operation: str) -> None:
    for name in NAMES:
        answer = site.owner.send(site.owner.operation(operation, {CALLS[operation]: name}))
        assert answer.pair in ((400, "ValidationException"), (400, "ResourceNotFound")), (name, answer)


def test_things_are_never_made_under_such_names(site: Site) -> None:
    site.s3.put_object(Bucket="keys-bucket", Key="m", Body=b"x")
    for name in NAMES:
        container = {"Image": IMAGES["sklearn"], "ModelDataUrl": "s3://keys-bucket/m"}
        for operation, wanted in {
            "CreateTrainingJob": {**request(name), "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"}},
            "CreateModel": {"ModelName": name, "ExecutionRoleArn": ROLE, "PrimaryContainer": container},
        }.items():
            answer = site.owner.send(site.owner.operation(operation, wanted))
            assert answer.pair == (400, "ValidationException"), (operation, name, answer)


def test_endpoints_named_in_paths(site: Site) -> None:
    for name in ("..", "..%2f..%2fx", "%2e%2e", "a%00b", "a%2fb", "x" * 3000, "%ff", "a;b", "a?b"):
        signed = site.owner.sign(Request(path=f"/endpoints/{name}/invocations", body=b"x"))
        assert site.owner.send(signed).status in (400, 403, 404), name


ARNS = (
    *("arn:aws:sagemaker:us-east-1:123456789012:training-job/../../x", "arn:aws:s3:::bucket", "arn", "", "::::::"),
    *(
        f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:training-job/{'a' * 5000}",
        f"arn:aws:sagemaker:eu-west-1:{ACCOUNT}:model/a",
    ),
    *(f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:nosuch/a", f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:model/"),
)


def test_arns_of_nothing(site: Site) -> None:
    for arn in ARNS:
        for operation, more in {"ListTags": {}, "AddTags": {"Tags": []}, "DeleteTags": {"TagKeys": ["a"]}}.items():
            answer = site.owner.send(site.owner.operation(operation, {"ResourceArn": arn, **more}))
            assert answer.status == 400, (operation, arn, answer)


URIS = (
    *("file:///etc/passwd", "s3://", "s3:///etc/passwd", "s3://../x", "s3://places-bucket/../../../etc", "/etc/passwd"),
    *(
        "http://169.254.169.254/latest",
        "https://s3.amazonaws.com/../etc/passwd",
        "s3://keys-bucket@evil/x",
        "s3://[::1]/x",
    ),
)


@pytest.mark.parametrize("uri", URIS)
def test_addresses_that_lead_elsewhere(site: Site, uri: str) -> None:
    """As input, output, checkpoint, source and model: refused, or a job that fails with the reason."""
    wanted: list[dict[str, Any]] = [
        {"InputDataConfig": [channel("train", uri)]},
        {"OutputDataConfig": {"S3OutputPath": uri}},
        {"CheckpointConfig": {"S3Uri": uri}},
    ]
    out = {"OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"}}
    for members in wanted:
        name = f"elsewhere-{URIS.index(uri)}-{wanted.index(members)}"
        members = {"AlgorithmSpecification": _true(), **out, **members}
        answer = site.owner.send(site.owner.operation("CreateTrainingJob", {**request(name), **members}))
        if answer.status == 200:
            site.journey.finished(name)
        else:
            assert answer.pair == (400, "ValidationException"), answer
    model = {"Image": IMAGES["sklearn"], "ModelDataUrl": uri}
    created = {"ModelName": "elsewhere", "ExecutionRoleArn": ROLE, "PrimaryContainer": model}
    assert site.owner.send(site.owner.operation("CreateModel", created)).pair == (400, "ValidationException")


def _true() -> dict[str, Any]:
    return {"TrainingImage": IMAGES["sklearn"], "TrainingInputMode": "File", "ContainerEntrypoint": ["/bin/true"]}


def test_keys_that_climb_out_of_a_channel(site: Site) -> None:
    """Objects under such keys exist; laid out as files they would lead out of the channel's folder."""
    for name, key in {"up": "climb/up/../../../x", "hidden": "climb/hidden/./..", "both": "climb/both/a"}.items():
        site.owner.send(_object(site, "PUT", key, b"x"))
        if name == "both":
            site.owner.send(_object(site, "PUT", f"{key}/b", b"y"))
        entry = data("train", f"climb/{name}/")
        entry["DataSource"]["S3DataSource"]["S3Uri"] = f"s3://keys-bucket/climb/{name}/"
        site.journey.create(f"climb-{name}", algorithm={"ContainerEntrypoint": ["/bin/true"]}, InputDataConfig=[entry])
    for name in ("up", "hidden", "both"):
        found = site.journey.finished(f"climb-{name}")
        assert found["TrainingJobStatus"] == "Failed", name
        assert found["FailureReason"].startswith("ClientError: "), name


def test_checkpoint_folders_that_climb(site: Site) -> None:
    for path in (
        "/opt/ml/../../etc",
        "/",
        "/etc",
        "relative",
        "/opt/ml",
        "/proc",
        "/usr",
        "/opt/ml/model",
        "/opt/clary/lib",
    ):
        config = {"S3Uri": f"s3://{BUCKET}/checkpoints", "LocalPath": path}
        with contextlib.suppress(ClientError):
            site.journey.create(
                f"climb-{abs(hash(path))}", algorithm={"ContainerEntrypoint": ["/bin/true"]}, CheckpointConfig=config
            )
            assert site.journey.finished(f"climb-{abs(hash(path))}")["TrainingJobStatus"] in ("Completed", "Failed")
