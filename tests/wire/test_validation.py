"""Every operation of SageMaker: a minimal request passes, and one with a broken constraint is refused by name."""

import json
import re
import time
from typing import Any

import pytest

from clary.wire import validation
from clary.wire.errors import AwsError
from clary.wire.models import Models
from clary.wire.patterns import compiled
from clary.wire.services import ALL

MODEL = Models().service("sagemaker")
OPERATIONS = sorted(MODEL.operation_names)
TRAINING_JOB = MODEL.operation_model("CreateTrainingJob").input_shape
ARN = "arn:aws:sagemaker:us-east-1:123456789012:"
SAMPLES = (
    "a",
    "abc",
    "1",
    "1.0.0",
    "a@b.cc",
    "ab-1",
    "d-abcdefgh",
    "i-0123456789abcdef0",
    "vol-0123456789abcdef0",
    "eni-0123456789abcdef0",
    "01234567-0123-0123-0123-0123456789ab",
    "us-east-1",
    "abcdefghijkl",
    "123456789012",
    "s3://bucket/key",
    "https://host.example.com/path",
    "https://git.example.com/a.git",
    "arn:aws:iam::123456789012:role/name",
    "arn:aws:lambda:us-east-1:123456789012:function:name",
    "arn:aws:sagemaker:us-east-1:aws:hub-content/hub/Model/name",
    "123456789012.dkr.ecr.us-east-1.amazonaws.com/image:1",
    *(
        ARN + rest
        for rest in (
            "name/abcdefghijkl",
            "artifact/a",
            "cluster/abcdefghijkl",
            "endpoint/a",
            "extension/eks-a/b/c",
            "mlflow-app/a",
            "model-card/a/export-job/a",
            "model-package/a",
            "partner-app/app-ABCDEFGHIJKL",
            "pipeline/a/execution/a",
            "reserved-capacity/a",
            "training-plan/a",
            "workteam/a",
        )
    ),
)
"""Texts of which at least one, cut or filled to length, fits each pattern."""


def minimal(shape: Any) -> Any:
    """The least value that breaks no constraint."""
    kind, facts = shape.type_name, shape.metadata
    if kind == "structure":
        wanted = shape.required_members or (list(shape.members)[:1] if shape.is_tagged_union else [])
        return {name: minimal(shape.members[name]) for name in wanted}
    if kind == "list":
        return [minimal(shape.member) for _ in range(facts.get("min", 0))]
    if kind == "map":
        return {minimal(shape.key) + str(n): minimal(shape.value) for n in range(facts.get("min", 0))}
    if kind in ("integer", "long", "float", "double"):
        return max(facts.get("min", 1), 0) if facts.get("max", 1) >= 1 else facts["max"]
    return {"boolean": True, "timestamp": 1.5}.get(kind) or _text(shape)


def _text(shape: Any) -> str:
    if shape.enum:
        return str(shape.enum[0])
    low, high, pattern = shape.metadata.get("min", 0), shape.metadata.get("max", 1 << 20), shape.metadata.get("pattern")
    for sample in SAMPLES:
        for text in (sample, sample * low, sample[:high], sample.ljust(low, "a")):
            if low <= len(text) <= high and (pattern is None or compiled(pattern).search(text)):
                return text
    raise LookupError(f"no sample fits {shape.name} {pattern}")


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_minimal_request_passes(name: str) -> None:
    shape = MODEL.operation_model(name).input_shape
    request = {} if shape is None else minimal(shape)
    assert validation.decode(shape, json.dumps(request).encode()) == request


@pytest.mark.parametrize("name", OPERATIONS)
def test_one_broken_constraint_is_refused(name: str) -> None:
    shape = MODEL.operation_model(name).input_shape
    broken = None if shape is None else _break(shape)
    if broken is None:
        pytest.skip("the operation's model constrains nothing")
    request, member, words = broken
    with pytest.raises(AwsError) as caught:
        validation.decode(shape, json.dumps(request).encode())
    path = member[:1].lower() + member[1:]
    assert caught.value.code == "ValidationException"
    assert caught.value.message.startswith("1 validation error detected: ")
    assert f" at '{path}' failed to satisfy constraint: {words}" in caught.value.message


def _break(shape: Any) -> tuple[dict[str, Any], str, str] | None:
    """A request with one constraint broken: the member, and how the refusal begins."""
    request = minimal(shape)
    if shape.required_members:
        name = shape.required_members[0]
        return {key: value for key, value in request.items() if key != name}, name, "Member must not be null"
    for name, member in shape.members.items():
        if member.type_name == "string" and member.enum:
            return request | {name: "no such"}, name, "Member must satisfy enum value set: ["
        if member.type_name == "integer" and "max" in member.metadata:
            return request | {name: member.metadata["max"] + 1}, name, "Member must have value less than or equal to "
        if member.type_name == "string" and "max" in member.metadata:
            long = "a" * (member.metadata["max"] + 1)
            return request | {name: long}, name, "Member must have length less than or equal to "
    return None


def refusal(request: Any) -> AwsError:
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    with pytest.raises(AwsError) as caught:
        validation.decode(TRAINING_JOB, body)
    return caught.value


def training_job(**change: Any) -> dict[str, Any]:
    assert TRAINING_JOB is not None
    request: dict[str, Any] = minimal(TRAINING_JOB) | change
    return request


def test_all_violations_are_told_at_once_with_their_paths() -> None:
    error = refusal(
        training_job(
            TrainingJobName="a_b",
            ResourceConfig={"InstanceType": "ml.huge", "InstanceCount": -1, "VolumeSizeInGB": 1},
            VpcConfig={"SecurityGroupIds": ["a b"], "Subnets": ["s"]},
            Tags=[{"Key": "", "Value": "v"}],
        )
    )
    head, *texts = re.split(r"; |: (?=Value)", error.message)
    assert head == "5 validation errors detected"
    assert [re.sub(r"enum value set: .*", "enum value set", text) for text in texts] == [
        "Value 'a_b' at 'trainingJobName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
        "Value 'ml.huge' at 'resourceConfig.instanceType' failed to satisfy constraint: "
        "Member must satisfy enum value set",
        "Value '-1' at 'resourceConfig.instanceCount' failed to satisfy constraint: "
        "Member must have value greater than or equal to 0",
        "Value '[a b]' at 'vpcConfig.securityGroupIds' failed to satisfy constraint: Member must satisfy constraint: "
        "[Member must have length less than or equal to 32, Member must have length greater than or equal to 0, "
        "Member must satisfy regular expression pattern: [-0-9a-zA-Z]+]",
        "Value '' at 'tags.1.member.key' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1",
    ]


def test_nulls_are_absent_and_unknown_members_ignored() -> None:
    request = training_job()
    body = json.dumps({**request, "Tags": None, "Unheard": {"of": [1]}, "Environment": {"A": "null"}}).encode()
    assert validation.decode(TRAINING_JOB, body) == {**request, "Environment": {"A": "null"}}


def test_a_required_null_is_missing() -> None:
    error = refusal(training_job(RoleArn=None))
    assert error.message == (
        "1 validation error detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null"
    )


def test_a_union_has_exactly_one_member() -> None:
    shape = MODEL.operation_model("CreateAutoMLJobV2").input_shape
    request = minimal(shape)
    several = {
        "ImageClassificationJobConfig": {},
        "TextClassificationJobConfig": {"ContentColumn": "a", "TargetLabelColumn": "b"},
    }
    for chosen in ({}, several):
        with pytest.raises(AwsError, match="exactly one member"):
            validation.decode(shape, json.dumps(request | {"AutoMLProblemTypeConfig": chosen}).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"nothing",
        b'"text"',
        b'{"TrainingJobName": 1}',
        b'{"TrainingJobName": NaN}',
        b'{"TrainingJobName": "\xff"}',
        b'{"TrainingJobName": "\\ud800"}',
        b'{"ResourceConfig": []}',
        b'{"ResourceConfig": {"InstanceCount": "1"}}',
        b'{"ResourceConfig": {"InstanceCount": 1.5}}',
        b'{"ResourceConfig": {"InstanceCount": 1e999}}',
        b'{"ResourceConfig": {"InstanceCount": 4294967296}}',
        b'{"ResourceConfig": {"InstanceCount": ' + b"9" * 100_000 + b"}}",
        b'{"Tags": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"Unheard": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
    ],
)
def test_what_cannot_be_read_is_a_serialization_error(body: bytes) -> None:
    started = time.process_time()
    assert refusal(body).code == "SerializationException"
    assert time.process_time() - started < 1


def test_a_huge_name_is_refused_shortly() -> None:
    error = refusal(training_job(TrainingJobName="a-" * 5_000_000))
    assert error.code == "ValidationException"
    assert len(error.message) < 5_000


def test_the_last_of_two_equal_keys_counts() -> None:
    body = json.dumps(training_job()).encode()[:-1] + b', "TrainingJobName": "last"}'
    assert validation.decode(TRAINING_JOB, body)["TrainingJobName"] == "last"


@pytest.mark.parametrize("service", [service.name for service in ALL])
def test_every_pattern_of_every_service_is_python(service: str) -> None:
    shapes = Models().service(service)._service_description["shapes"].values()
    for shape in shapes:
        if "pattern" in shape:
            compiled(shape["pattern"])


def test_no_pattern_is_slow_on_what_its_length_allows() -> None:
    shapes = MODEL._service_description["shapes"].values()
    for pattern, longest in {(s["pattern"], min(s.get("max", 4096), 4096)) for s in shapes if "pattern" in s}:
        for text in ("a" * longest, "a-" * (longest // 2), "-" * longest, "a/" * (longest // 2), "1." * (longest // 2)):
            made = compiled(pattern)
            started = time.process_time()
            made.search(text[: longest - 1] + "\n")
            assert time.process_time() - started < 0.5, pattern
