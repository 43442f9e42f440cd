"""Requests signed by hand and sent as bytes, so that a test can make any part of them wrong."""

import contextlib
import hashlib
import hmac
import http.client
import json
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote

SECONDS = 60.0
"""Longest wait for any answer; the server has long given up by then."""


@dataclass(frozen=True)
class Keys:
    access_key: str
    secret: str
    token: str | None = None


@dataclass(frozen=True)
class Request:
    """What is signed is what is here; what is sent may be changed afterwards (`altered`)."""

    method: str = "POST"
    path: str = "/"
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def altered(self, **members: object) -> "Request":
        return replace(self, **members)  # type: ignore[arg-type]

    def with_headers(self, **headers: str) -> "Request":
        return replace(self, headers={**self.headers, **{name.replace("_", "-"): v for name, v in headers.items()}})

    def wire(self) -> bytes:
        """As bytes of HTTP/1.1, with a Content-Length unless one is given."""
        headers = {"content-length": str(len(self.body)), **self.headers}
        target = self.path + (f"?{self.query}" if self.query else "")
        lines = [f"{self.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + self.body


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The error's code in whichever form the protocol gives it."""
        found = re.search(rb"<Code>([^<]+)</Code>", self.body)
        if found:
            return found[1].decode()
        named = self.headers.get("x-amzn-errortype", "")
        return named or str(json.loads(self.body or b"{}").get("__type", "")).rpartition("#")[2]

    @property
    def pair(self) -> tuple[int, str]:
        return self.status, self.code


class Signer:
    """Signs for one server with one pair of keys."""

    def __init__(self, port: int, keys: Keys, region: str = "us-east-1") -> None:
        self.port, self.keys, self.region = port, keys, region
        self.host = f"127.0.0.1:{port}"

    def operation(
        self, name: str, body: bytes | dict[str, object], target: str = "SageMaker", **how: object
    ) -> Request:
        """A call of a JSON service."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": f"{target}.{name}"}
        service = {"Logs_20140328": "logs"}.get(target, "sagemaker")
        return self.sign(Request(headers=headers, body=raw), **{"service": service, **how})  # type: ignore[arg-type]

    def sign(
        self,
        request: Request,
        *,
        service: str = "sagemaker",
        region: str = "",
        when: float | None = None,
        payload: str | None = None,
        unsigned: tuple[str, ...] = (),
    ) -> Request:
        """With headers. `unsigned` names headers to leave out of the signature."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() if when is None else when))
        digest = payload or hashlib.sha256(request.body).hexdigest()
        headers = {"host": self.host, **request.headers, "x-amz-date": stamp}
        if service == "s3":
            headers["x-amz-content-sha256"] = digest
        if self.keys.token:
            headers["x-amz-security-token"] = self.keys.token
        signed = sorted(name for name in headers if name not in unsigned)
        scope = f"{stamp[:8]}/{region or self.region}/{service}/aws4_request"
        signature = self._signature(request, headers, signed, digest, stamp, scope, service)
        told = f"Credential={self.keys.access_key}/{scope}, SignedHeaders={';'.join(signed)}, Signature={signature}"
        return replace(request, headers={**headers, "authorization": f"AWS4-HMAC-SHA256 {told}"})

    def presign(self, request: Request, seconds: int, *, service: str = "s3", when: float | None = None) -> Request:
        """In the query."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() if when is None else when))
        scope = f"{stamp[:8]}/{self.region}/{service}/aws4_request"
        fields = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{self.keys.access_key}/{scope}",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(seconds),
            "X-Amz-SignedHeaders": "host",
        }
        if self.keys.token:
            fields["X-Amz-Security-Token"] = self.keys.token
        query = "&".join(f"{name}={quote(value, safe='~')}" for name, value in sorted(fields.items()))
        headers = {"host": self.host, **request.headers}
        bare = replace(request, query=query)
        signature = self._signature(bare, headers, ["host"], "UNSIGNED-PAYLOAD", stamp, scope, service)
        return replace(bare, headers=headers, query=f"{query}&X-Amz-Signature={signature}")

    def send(self, request: Request) -> Answer:
        return exchange(self.port, request.wire())

    def _signature(
        self,
        request: Request,
        headers: Mapping[str, str],
        signed: list[str],
        digest: str,
        stamp: str,
        scope: str,
        service: str,
    ) -> str:
        path = request.path if service == "s3" else quote(request.path, safe="/~")
        query = "&".join(sorted(part if "=" in part else f"{part}=" for part in request.query.split("&") if part))
        lines = [f"{name}:{' '.join(headers[name].split())}" for name in signed]
        canonical = "\n".join([request.method, path, query, *lines, "", ";".join(signed), digest])
        hashed = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
        key = f"AWS4{self.keys.secret}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.digest(key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashed}".encode(), "sha256").hex()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), SECONDS)


def exchange(port: int, raw: bytes) -> Answer:
    """Send bytes, read one answer. A server that stops reading early may already have answered."""
    with connect(port) as sock:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(raw)
        return answer(sock)


def answer(sock: socket.socket) -> Answer:
    """One answer from the connection; status 0 when it was closed without one."""
    response = http.client.HTTPResponse(sock)
    try:
        response.begin()
        body = response.read()
    except (http.client.BadStatusLine, ConnectionResetError):
        return Answer(0, {}, b"")
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
