"""Signatures: AWS's suite is accepted, and nothing that differs by one byte is."""

import hashlib
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from botocore.auth import S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.harness import PRINCIPAL
from tests.wire.cases import ABSENT, CASES

from clary.wire import sigv4
from clary.wire.errors import AwsError
from clary.wire.messages import Head
from clary.wire.sigv4 import Key, Keys

FOLDER = CASES / "aws-sigv4-cases"
SUITE = sorted(FOLDER.rglob("*.sreq"))
SUITE_TIME = 1440938160.0
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW = 1_760_000_000.0


class AnyKey(Keys):
    def find(self, access_key_id: str, session_token: str | None) -> Key:
        if access_key_id != "AKIDEXAMPLE":
            raise AwsError("unknown", code="UnrecognizedClientException")
        return Key(SECRET, PRINCIPAL)


def check(head: Head, body: bytes, now: float, *, s3: bool = False) -> sigv4.Identity:
    told = sigv4.claim(head)
    if told is None:
        raise AwsError("unsigned", code="MissingAuthenticationTokenException")
    digest = None if s3 else hashlib.sha256(body).hexdigest()
    return sigv4.authenticate(head, told, AnyKey(), now, 900, digest)


def code_of(head: Head, body: bytes = b"", now: float = NOW, *, s3: bool = False) -> str:
    with pytest.raises(AwsError) as caught:
        check(head, body, now, s3=s3)
    return caught.value.code


def read_case(file: Path) -> tuple[Head, bytes]:
    """The signed request, with the suite's own Authorization: one `.sreq` carries another."""
    text, _, body = file.read_text().partition("\n\n")
    first, *lines = text.split("\n")
    method, target = first.removesuffix(" HTTP/1.1").split(" ", 1)
    headers: list[tuple[str, str]] = []
    for line in lines:
        if line.startswith(" "):
            headers[-1] = (headers[-1][0], f"{headers[-1][1]} {line.strip()}")
        else:
            name, _, value = line.partition(":")
            headers.append((name.lower(), value.strip()))
    headers = [
        (name, file.with_suffix(".authz").read_text().strip() if name == "authorization" else v) for name, v in headers
    ]
    path, _, query = target.partition("?")
    return Head(method, path, query, headers), body.encode()


@pytest.mark.skipif(not SUITE, reason=ABSENT)
@pytest.mark.parametrize("file", [pytest.param(file, id=file.stem) for file in SUITE])
def test_awss_suite_is_accepted(file: Path) -> None:
    head, body = read_case(file)
    assert check(head, body, SUITE_TIME).principal == PRINCIPAL


@pytest.mark.skipif(not SUITE, reason=ABSENT)
@pytest.mark.parametrize("file", [pytest.param(file, id=file.stem) for file in SUITE])
def test_awss_suite_with_one_byte_changed_is_refused(file: Path) -> None:
    head, body = read_case(file)
    other = Head("PUT", head.path, head.query, head.headers)
    changed = [
        (other, body),
        (Head(head.method, head.path + "x", head.query, head.headers), body),
        (Head(head.method, head.path, head.query + "&x=y", head.headers), body),
        (head, body + b"x"),
        *((Head(head.method, head.path, head.query, headers), body) for headers in _flipped(head.headers)),
    ]
    for each in changed:
        code_of(*each, now=SUITE_TIME)


def test_the_whole_suite_is_here() -> None:
    if not SUITE:
        pytest.skip(ABSENT)
    assert len(SUITE) == 34


def _flipped(headers: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """Each signed header in turn with its last character changed. Only the session token may be left unsigned."""
    authorization = dict(headers)["authorization"]
    found = []
    for at, (name, value) in enumerate(headers):
        if name in authorization or name == "authorization":
            changed = value[:-1] + ("0" if value[-1:] != "0" else "1")
            found.append([*headers[:at], (name, changed), *headers[at + 1 :]])
    return found


def signed(
    method: str = "POST",
    url: str = "http://localhost/",
    body: bytes = b"{}",
    service: str = "sagemaker",
    **headers: str,
) -> Head:
    """As botocore signs, at `NOW` on the clock of this machine when not frozen: see `at`."""
    request = AWSRequest(method, url, {"X-Amz-Target": "SageMaker.ListModels", **headers}, body)
    SigV4Auth(Credentials("AKIDEXAMPLE", SECRET), service, "eu-west-1").add_auth(request)
    return _head(method, url, list(request.headers.items()))


def presigned(life: int, auth: type = SigV4QueryAuth, service: str = "sts") -> Head:
    request = AWSRequest("GET", "http://localhost/a%20b?x=%20y&a=1", {}, b"")
    auth(Credentials("AKIDEXAMPLE", SECRET), service, "eu-west-1", expires=life).add_auth(request)
    return _head("GET", request.url, [])


def _head(method: str, url: str, headers: list[tuple[str, str]]) -> Head:
    parts = urlsplit(url)
    named = [(name.lower(), value) for name, value in headers]
    return Head(method, parts.path, parts.query, [("host", parts.netloc), *named])


def at(head: Head) -> float:
    """The moment that a signed request says it was made."""
    told = sigv4.claim(head)
    assert told is not None
    return float(sigv4._epoch(told.stamp))


def test_identity_is_the_scope_and_the_key() -> None:
    head = signed()
    found = check(head, b"{}", at(head))
    assert (found.principal, found.region, found.service) == (PRINCIPAL, "eu-west-1", "sagemaker")


@pytest.mark.parametrize("drift", [-899, 0, 899])
def test_clocks_may_differ_by_a_quarter_of_an_hour(drift: float) -> None:
    head = signed()
    assert check(head, b"{}", at(head) + drift)


@pytest.mark.parametrize(("drift", "words"), [(960, "Signature expired: "), (-960, "Signature not yet current: ")])
def test_stale_and_future_signatures_are_refused(drift: float, words: str) -> None:
    head = signed()
    with pytest.raises(AwsError) as caught:
        check(head, b"{}", at(head) + drift)
    assert caught.value.code == "InvalidSignatureException"
    assert caught.value.message.startswith(words)


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        ("/eu-west-1/", "/eu-west-2/"),
        ("/sagemaker/", "/sts/"),
        ("SignedHeaders=host;", "SignedHeaders="),
        (";x-amz-target", ""),
        ("AKIDEXAMPLE", "AKIDOTHER"),
    ],
)
def test_a_changed_authorization_is_refused(part: str, instead: str) -> None:
    head = signed()
    headers = [(name, value.replace(part, instead)) for name, value in head.headers]
    assert headers != head.headers
    expected = "UnrecognizedClientException" if instead == "AKIDOTHER" else "InvalidSignatureException"
    assert code_of(Head("POST", "/", "", headers), b"{}", at(head)) == expected


@pytest.mark.parametrize(
    "authorization",
    [
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a, Signature=b",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=b",
        "AWS4-HMAC-SHA256 Credential=a/20250101/\nforged/sts/aws4_request, SignedHeaders=host, Signature=b",
    ],
)
def test_an_incomplete_authorization_says_so(authorization: str) -> None:
    head = Head("POST", "/", "", [("host", "x"), ("x-amz-date", "20250101T000000Z"), ("authorization", authorization)])
    assert code_of(head) == "IncompleteSignatureException"


def test_an_added_amz_header_must_be_signed() -> None:
    head = signed()
    head = Head("POST", "/", "", [*head.headers, ("x-amz-acl", "public")])
    assert code_of(head, b"{}", at(head)) == "InvalidSignatureException"


def test_only_s3_may_leave_its_body_unsigned() -> None:
    for service, s3 in (("sagemaker", False), ("s3", True)):
        head = signed(service=service, **{"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
        if s3:
            assert check(head, b"any", at(head), s3=True).payload_hash == "UNSIGNED-PAYLOAD"
        else:
            assert code_of(head, b"any", at(head)) == "InvalidSignatureException"


def test_a_presigned_request_lives_as_long_as_it_says() -> None:
    head = presigned(60)
    assert check(head, b"", at(head) + 59).service == "sts"
    assert code_of(head, b"", at(head) + 61) == "InvalidSignatureException"


def test_a_presigned_object_url_lives_as_long_as_it_says() -> None:
    head = presigned(3600, S3SigV4QueryAuth, "s3")
    assert check(head, b"", at(head) + 3599, s3=True).payload_hash == "UNSIGNED-PAYLOAD"
    assert code_of(head, b"", at(head) + 3601, s3=True) == "AccessDenied"
    assert code_of(head, b"", at(head) - 960, s3=True) == "RequestTimeTooSkewed"


@pytest.mark.parametrize("name", ["X-Amz-Expires", "X-Amz-Date", "X-Amz-Signature", "X-Amz-Credential", "x", "a"])
def test_a_changed_presigned_query_is_refused(name: str) -> None:
    head = presigned(60)
    pairs = [(key, value + "1" if key == name else value) for key, value in parse_qsl(head.query)]
    changed = Head("GET", head.path, urlencode(pairs), head.headers)
    assert code_of(changed, b"", at(head)) in ("InvalidSignatureException", "IncompleteSignatureException")


def test_a_signature_may_be_no_text_at_all() -> None:
    head = signed()
    headers = [(n, v.rpartition("=")[0] + "=\udcff\u1234") if n == "authorization" else (n, v) for n, v in head.headers]
    assert code_of(Head("POST", "/", "", headers), b"{}", at(head)) == "InvalidSignatureException"
