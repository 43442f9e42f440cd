"""Requests made from the service models: the smallest valid one of any operation, and broken ones."""

import copy
import re
from functools import cache
from random import Random
from typing import Any

from clary.wire.models import Models

ACCOUNT = "123456789012"
TEXTS = (
    *("a", "a1", "ab", "abc", "abcd-efgh", "Abc1", "1", "10", "1.0", "0.1.0", "a.b", "a=b", "true", "us-east-1"),
    *("s3://bucket/key", "https://a.example.com/b", "https://s3/b/c", "a@example.com", "2024-01-01T00:00:00Z"),
    f"arn:aws:iam::{ACCOUNT}:role/SageMakerRole",
    *(f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:{kind}/a" for kind in ("training-job", "model", "app", "hub", "job")),
    *(f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:{kind}/abcdefghijkl" for kind in ("cluster", "mlflow-app", "space")),
    f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:hub-content/a/Model/b/1.0.0",
    f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:workteam/private-crowd/a",
    f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:a",
    f"arn:aws:sns:us-east-1:{ACCOUNT}:a",
    f"arn:aws:sqs:us-east-1:{ACCOUNT}:a",
    f"arn:aws:kms:us-east-1:{ACCOUNT}:key/00000000-0000-0000-0000-000000000000",
    f"arn:aws:codeconnections:us-east-1:{ACCOUNT}:connection/00000000-0000-0000-0000-000000000000",
    f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/a:1",
    *("ml.m5.large", "d-abcdefghijkl", "sg-0123abcd", "subnet-0123abcd", "vpc-0123abcd", "i-0123456789abcdef0"),
    *(ACCOUNT, "/opt/ml/a", "/a", "1:1", "10-20", "cron(0 12 * * ? *)", "PT1H", "abcdefghijklmnopqrstuvwxyz012345"),
    *("1.2.3", "{}", "[]", "a/b", "a:b", "0123456789abcdef" * 4, "a" * 12, "a" * 20, "a" * 36, "a" * 64),
)
ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 2**31, 2**63, -(2**63) - 1, 1e308, "", " ", "x" * 70_000, "\0", "\u202e", "a\r\nb: c"),
    *("../../etc/passwd", "..\\..\\x", "%2e%2e%2f", "{{7*7}}", "${jndi:x}", "' OR 1=1 --", "\ud83d\ude00", "a/" * 2000),
    *([], {}, [[]], [None], {"": None}, {"a": {"a": {"a": {}}}}, [1] * 3000, {"__class__": "x"}),
)


@cache
def service(name: str) -> Any:
    return Models().service(name)


def smallest(shape: Any, depth: int = 0) -> Any:
    """A value that breaks none of the shape's constraints, as far as `TEXTS` go."""
    kind = shape.type_name
    if kind == "structure":
        names = list(shape.required_members)
        if getattr(shape, "is_tagged_union", False) and not names:
            names = list(shape.members)[:1]
        return {name: smallest(shape.members[name], depth + 1) for name in names if depth < 12}
    low = int(shape.metadata.get("min", 0))
    if kind == "list":
        return [smallest(shape.member, depth + 1) for _ in range(min(low, 20))]
    if kind == "map":
        return {f"{text(shape.key)}{n or ''}": smallest(shape.value, depth + 1) for n in range(min(low, 20))}
    if kind == "string":
        return text(shape)
    return {"boolean": False, "timestamp": 1e9, "blob": "YQ=="}.get(kind, shape.metadata.get("min", 1))


def text(shape: Any) -> str:
    if shape.enum:
        return str(shape.enum[0])
    low, high = int(shape.metadata.get("min", 0)), int(shape.metadata.get("max", 1 << 20))
    pattern = shape.metadata.get("pattern")
    for each in TEXTS:
        if low <= len(each) <= high and (not pattern or _matches(pattern, each)):
            return each
    return "a" * min(max(low, 1), high)


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:
        return False


def broken(request: dict[str, Any], shape: Any, random: Random) -> dict[str, Any]:
    """The request with one member, anywhere in it, replaced by something odd, or gone."""
    changed: dict[str, Any] = copy.deepcopy(request)
    members = list(shape.members) or ["Nothing"]
    here: Any = changed
    while True:
        deeper = [value for value in (here.values() if isinstance(here, dict) else here) if value and _holds(value)]
        if not deeper or random.random() < 0.4:
            break
        here = random.choice(deeper)
    if isinstance(here, list):
        here.append(random.choice(ODD))
    elif here is changed or not here:
        here[random.choice(members)] = random.choice(ODD)
    elif random.random() < 0.3:
        here.pop(random.choice(list(here)))
    else:
        here[random.choice(list(here))] = random.choice(ODD)
    return changed


def _holds(value: Any) -> bool:
    return isinstance(value, dict | list)
