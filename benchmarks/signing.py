"""Signed requests as raw bytes, made before the clock starts. A signature is good for fifteen minutes."""

from dataclasses import dataclass
from typing import Any

import msgspec
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Signer:
    """`url` has no path."""

    url: str
    access_key: str = "AKIAIOSFODNN7EXAMPLE"
    secret: str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    token: str = ""

    def json(self, operation: str, request: dict[str, Any]) -> bytes:
        """A call of SageMaker's control plane."""
        headers = {"X-Amz-Target": f"SageMaker.{operation}", "Content-Type": "application/x-amz-json-1.1"}
        return self.raw("sagemaker", "POST", "/", headers, msgspec.json.encode(request))

    def raw(self, service: str, method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
        request = AWSRequest(method, self.url + path, headers, body)
        SigV4Auth(self._keys(), service, REGION).add_auth(request)
        return head(method, path, self.url, dict(request.headers), len(body)) + body

    def object_head(self, method: str, path: str, length: int) -> bytes:
        """The head of an S3 request whose body follows unsigned, as SDKs send it over TLS."""
        request = AWSRequest(method, self.url + path, {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
        Unsigned(self._keys(), "s3", REGION).add_auth(request)
        return head(method, path, self.url, dict(request.headers), length)

    def _keys(self) -> Credentials:
        return Credentials(self.access_key, self.secret, self.token or None)


class Unsigned(S3SigV4Auth):
    def payload(self, request: AWSRequest) -> str:
        return "UNSIGNED-PAYLOAD"


def head(method: str, path: str, url: str, headers: dict[str, str], length: int) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {url.partition('//')[2]}", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"
