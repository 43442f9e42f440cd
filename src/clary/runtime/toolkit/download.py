"""One S3 object to a file, with the standard library: the way out when the platform staged nothing.

Signs with AWS Signature Version 4 from the usual variables; `S3_ENDPOINT_URL` or `AWS_ENDPOINT_URL` says where.
"""

import datetime
import hashlib
import hmac
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from clary.runtime.toolkit import failures

EMPTY = hashlib.sha256(b"").hexdigest()


def to_file(uri: str, target: Path, environ: Mapping[str, str]) -> None:
    """Fetch `s3://bucket/key`. Raises `ImportModuleError` when the store refuses or has no such object."""
    request = signed(uri, environ, datetime.datetime.now(datetime.UTC))
    try:
        with urllib.request.urlopen(request, timeout=60) as answer, target.open("wb") as file:
            shutil.copyfileobj(answer, file)
    except OSError as error:
        raise failures.ImportModuleError(f"cannot download {uri}: {error}") from error


def signed(uri: str, environ: Mapping[str, str], now: datetime.datetime) -> urllib.request.Request:
    """A GET of the object in path style, signed when there are credentials."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    base = environ.get("S3_ENDPOINT_URL") or environ.get("AWS_ENDPOINT_URL") or f"https://s3.{region}.amazonaws.com"
    path = "/" + urllib.parse.quote(f"{bucket}/{key}", safe="/-_.~")
    headers = {
        "host": urllib.parse.urlsplit(base).netloc,
        "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ"),
        "x-amz-content-sha256": EMPTY,
    }
    if token := environ.get("AWS_SESSION_TOKEN"):
        headers["x-amz-security-token"] = token
    if environ.get("AWS_ACCESS_KEY_ID"):
        headers["authorization"] = _authorization(path, headers, region, environ)
    return urllib.request.Request(base.rstrip("/") + path, headers=headers)


def _authorization(path: str, headers: Mapping[str, str], region: str, environ: Mapping[str, str]) -> str:
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical = f"GET\n{path}\n\n{lines}\n{names}\n{EMPTY}"
    scope = f"{headers['x-amz-date'][:8]}/{region}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{scope}\n{digest}"
    key = f"AWS4{environ['AWS_SECRET_ACCESS_KEY']}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.digest(key, part.encode(), "sha256")
    return (
        f"AWS4-HMAC-SHA256 Credential={environ['AWS_ACCESS_KEY_ID']}/{scope}, SignedHeaders={names}, "
        f"Signature={key.hex()}"
    )
