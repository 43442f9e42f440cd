"""The old query signature of S3, as botocore still presigns with for custom endpoints."""

import time
from typing import Any

import boto3
import pytest
from botocore.config import Config
from tests.harness import CLIENT, PRINCIPAL, OneKey

from clary.wire import sigv2
from clary.wire.errors import AwsError
from clary.wire.messages import Head


def presigned(method: str = "get_object", **more: Any) -> Head:
    config = Config(signature_version="s3", s3={"addressing_style": "path"})
    client = boto3.client("s3", endpoint_url="http://localhost:1", config=config, **CLIENT)
    url = client.generate_presigned_url(method, {"Bucket": "bucket", "Key": "a b+/ü", **more}, ExpiresIn=60)
    path, _, query = url.removeprefix("http://localhost:1").partition("?")
    return Head("PUT" if method == "put_object" else "GET", path, query, [("host", "localhost:1")])


def refusal(head: Head, later: float = 0) -> str:
    with pytest.raises(AwsError) as caught:
        sigv2.authenticate(head, OneKey(), time.time() + later, "us-east-1")
    return caught.value.code


@pytest.mark.parametrize(
    "method, more",
    [
        ("get_object", {}),
        ("put_object", {}),
        ("get_object", {"VersionId": "v"}),
        ("get_object", {"ResponseContentType": "text/a+b; x=1"}),
        ("list_parts", {"UploadId": "u"}),
    ],
)
def test_what_botocore_signs_is_accepted(method: str, more: dict[str, str]) -> None:
    head = presigned(method, **more)
    assert sigv2.is_signed(head)
    found = sigv2.authenticate(head, OneKey(), time.time(), "us-east-1")
    assert (found.principal, found.service, found.payload_hash) == (PRINCIPAL, "s3", "UNSIGNED-PAYLOAD")


def test_a_link_ends_when_it_says() -> None:
    assert refusal(presigned(), later=61) == "AccessDenied"


def test_a_changed_link_is_refused() -> None:
    head = presigned(VersionId="v")
    assert refusal(Head("PUT", head.path, head.query, head.headers)) == "SignatureDoesNotMatch"
    assert refusal(Head("GET", head.path + "x", head.query, head.headers)) == "SignatureDoesNotMatch"
    assert (
        refusal(Head("GET", head.path, head.query.replace("versionId=v", "versionId=w"), [])) == "SignatureDoesNotMatch"
    )
    assert refusal(Head("GET", head.path, head.query.replace("Expires=1", "Expires=9"), [])) == "SignatureDoesNotMatch"
    assert refusal(Head("GET", head.path, head.query, [("x-amz-acl", "public-read")])) == "SignatureDoesNotMatch"
    assert refusal(Head("GET", head.path, head.query.replace("Expires=", "Expires=x"), [])) == "AccessDenied"
