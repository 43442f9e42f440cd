"""Reading what boto3 gives back."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

META = ("ResponseMetadata", "RequestId")


def plain(answer: dict[str, Any], *without: str) -> dict[str, Any]:
    """An answer without the transport's members and those that differ each time."""
    return {name: value for name, value in answer.items() if name not in (*META, "LastModified", *without)}


def refused(call: Callable[..., Any], **params: Any) -> tuple[str, int]:
    """`(code, status)` of the error that the call must end in."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def keys(answer: dict[str, Any]) -> list[str]:
    return [entry["Key"] for entry in answer.get("Contents", [])]


def prefixes(answer: dict[str, Any]) -> list[str]:
    return [entry["Prefix"] for entry in answer.get("CommonPrefixes", [])]
