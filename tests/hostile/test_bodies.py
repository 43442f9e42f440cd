"""Signed requests whose bodies mean harm: every one is refused in AWS's words, quickly and in little memory."""

import gzip
import time
from typing import Any

import pytest
from tests.hostile.signing import Request, exchange
from tests.hostile.site import Site

MEGABYTE = 1024 * 1024
SERIALIZATION = (400, "SerializationException")
INVALID = (400, "ValidationException")
QUICK = 20.0
"""Seconds; what should not end soon, a regex or a parser gone wild, takes minutes."""
NAME = b'{"TrainingJobName":'

BODIES: dict[str, tuple[bytes, tuple[int, str]]] = {
    "no JSON": (b"{", SERIALIZATION),
    "two values": (b"{}{}", SERIALIZATION),
    "a list": (b"[]", SERIALIZATION),
    "a number": (b"1", SERIALIZATION),
    "null": (b"null", SERIALIZATION),
    "a text": (b'"x"', SERIALIZATION),
    "NULs": (b"\0" * 1000, SERIALIZATION),
    "a byte order mark": (b"\xef\xbb\xbf{}", SERIALIZATION),
    "UTF-16": ('{"TrainingJobName":"x"}'.encode("utf-16"), SERIALIZATION),
    "invalid UTF-8": (NAME + b'"\xff\xfe"}', SERIALIZATION),
    "an overlong slash": (NAME + b'"\xc0\xaf"}', SERIALIZATION),
    "half a surrogate": (NAME + b'"\\ud800"}', SERIALIZATION),
    "NaN": (b'{"MaxResults":NaN}', SERIALIZATION),
    "Infinity": (b'{"MaxResults":-Infinity}', SERIALIZATION),
    "1e999": (NAME + b"1e999}", SERIALIZATION),
    "a number of 100,000 digits": (NAME + b"9" * 100_000 + b"}", SERIALIZATION),
    "a number for a text": (NAME + b"1}", SERIALIZATION),
    "a list for a text": (NAME + b"[]}", SERIALIZATION),
    "a structure for a text": (NAME + b"{}}", SERIALIZATION),
    "a comment": (b"{/**/}", SERIALIZATION),
    "a trailing comma": (b'{"a":1,}', SERIALIZATION),
    "lists 100,000 deep": (NAME + b"[" * 100_000, SERIALIZATION),
    "closed lists 100,000 deep": (NAME + b"[" * 100_000 + b"]" * 100_000 + b"}", SERIALIZATION),
    "structures 100,000 deep": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, SERIALIZATION),
    "a name of 10 MB": (NAME + b'"' + b"a" * 10 * MEGABYTE + b'"}', INVALID),
    "a name of 10 MB, dashes": (NAME + b'"' + b"a-" * 5 * MEGABYTE + b'!"}', INVALID),
    "a traversal": (NAME + b'"../../etc/passwd"}', INVALID),
    "a NUL in a name": (NAME + b'"a\\u0000b"}', INVALID),
    "a line break in a name": (NAME + b'"a\\r\\nX-Forged: 1"}', INVALID),
    "right to left": (NAME + '"\u202eboj"}'.encode(), INVALID),
    "an empty name": (NAME + b'""}', INVALID),
    "nothing": (b"", INVALID),
    "a name twice, the last one bad": (NAME + b'"a","TrainingJobName":"!"}', INVALID),
    "members nobody knows": (b'{"__proto__":{"x":1},"constructor":"x"}', INVALID),
    "200,000 members nobody knows": (b"{" + b",".join(b'"m%d":1' % i for i in range(200_000)) + b"}", INVALID),
}


@pytest.mark.parametrize("kind", BODIES)
def test_bodies_that_mean_harm(site: Site, kind: str) -> None:
    body, expected = BODIES[kind]
    request = site.owner.operation("DescribeTrainingJob", body)
    started = time.monotonic()
    answer = site.owner.send(request)
    assert (answer.pair, time.monotonic() - started < QUICK) == (expected, True)
    assert len(answer.body) < 64 * 1024
    assert answer.headers["content-type"] == "application/x-amz-json-1.1"


def test_the_last_of_two_equal_members_counts_for_all(site: Site) -> None:
    """As in AWS's parsers; what matters is that check and use see the same one."""
    answer = site.owner.send(site.owner.operation("DescribeTrainingJob", NAME + b'"!","TrainingJobName":"nobody"}'))
    assert (answer.pair, b"Requested resource not found" in answer.body) == (INVALID, True)


def test_large_bodies_cost_little_memory(site: Site) -> None:
    # Allocators keep what a first large body took.
    for _ in range(2):
        _send_large(site)
    before = site.memory()
    for _ in range(4):
        _send_large(site)
    assert site.memory() - before < 64 * MEGABYTE


def _send_large(site: Site) -> None:
    body = NAME + b'"' + b"a" * 10 * MEGABYTE + b'"}'
    assert site.owner.send(site.owner.operation("DescribeTrainingJob", body)).pair == INVALID


def test_bodies_past_the_limit_are_refused_unread(site: Site) -> None:
    signed = site.owner.operation("ListModels", {})
    declared = signed.with_headers(content_length=str(64 * 1024 * MEGABYTE))
    assert site.owner.send(declared).status == 413
    chunked = _chunked(signed, [b"x" * MEGABYTE] * 40)
    assert exchange(site.port, chunked).status in (413, 0)


def _chunked(request: Request, chunks: list[bytes]) -> bytes:
    lines = [f"{name}: {value}" for name, value in request.headers.items() if name != "content-length"]
    head = "\r\n".join([f"{request.method} {request.path} HTTP/1.1", *lines, "transfer-encoding: chunked"])
    return head.encode() + b"\r\n\r\n" + b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks) + b"0\r\n\r\n"


GZIPPED: dict[str, tuple[bytes, tuple[int, str]]] = {
    "a bomb of 1 GB": (gzip.compress(bytes(64 * MEGABYTE)) * 16, (413, "RequestEntityTooLargeException")),
    "bombs in a row": (gzip.compress(b"{}") * 1000, SERIALIZATION),
    "cut off": (gzip.compress(b"{}" * 1000)[:-12], SERIALIZATION),
    "no gzip": (b"{}", SERIALIZATION),
    "nothing": (b"", SERIALIZATION),
}


@pytest.mark.parametrize("kind", GZIPPED)
def test_compressed_bodies_that_mean_harm(site: Site, kind: str) -> None:
    body, expected = GZIPPED[kind]
    before = site.memory()
    raw = site.owner.operation("ListModels", body)
    raw = site.owner.sign(Request(headers={**_plain(raw), "content-encoding": "gzip"}, body=body))
    assert site.owner.send(raw).pair == expected
    assert site.memory() - before < 150 * MEGABYTE


def _plain(request: Request) -> dict[str, str]:
    return {name: request.headers[name] for name in ("content-type", "x-amz-target")}


TARGETS: dict[str, tuple[int, str]] = {
    "SageMaker.NoSuchOperation": (404, "UnknownOperationException"),
    "SageMaker.": (404, "UnknownOperationException"),
    "SageMaker.__class__": (404, "UnknownOperationException"),
    "SageMaker.createmodel": (404, "UnknownOperationException"),
    "NoSuchService.ListModels": (404, "UnknownOperationException"),
    "SageMaker." + "x" * 5000: (404, "UnknownOperationException"),
    "..": (404, "UnknownOperationException"),
    "": (404, "UnknownOperationException"),
}


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target[:30] or "empty")
def test_targets_that_are_none(site: Site, target: str) -> None:
    request = site.owner.sign(Request(headers={"x-amz-target": target}, body=b"{}"))
    answer = site.owner.send(request)
    assert answer.pair == TARGETS[target]
    assert len(answer.body) < 1024


@pytest.mark.parametrize(
    "request_line",
    [
        ("GET", "/nowhere"),
        ("DELETE", "/endpoints"),
        ("POST", "/endpoints/x/nosuch"),
        ("PATCH", "/"),
        ("POST", "/a" * 2000),
    ],
)
def test_paths_that_are_none(site: Site, request_line: tuple[str, str]) -> None:
    request: Any = Request(*request_line)
    assert site.owner.send(site.owner.sign(request)).pair == (404, "UnknownOperationException")


def test_forms_and_cbor_that_mean_harm(site: Site) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    action = b"Action=GetRole&Version=2010-05-08"
    cbor = {"smithy-protocol": "rpc-v2-cbor", "content-type": "application/cbor"}
    path = "/service/GraniteServiceVersion20100801/operation/ListMetrics"
    answers = [
        *[
            site.owner.send(site.owner.sign(Request(headers=form, body=body), service="iam"))
            for body in (
                action + b"&RoleName=" + b"a" * 10 * MEGABYTE,
                action + b"&RoleName=..%2f..%2fetc%2fpasswd%00",
                action + b"&RoleName=%ff%fe",
                action + b"&RoleName=a" * 200_000,
                b"Action=CreateRole&Version=2010-05-08&Tags.member.999999999.Key=a",
                b"Action=NoSuch&Version=2010-05-08",
                b"=" * 100_000,
            )
        ],
        *[
            site.owner.send(site.owner.sign(Request(path=path, headers=cbor, body=body), service="monitoring"))
            for body in (b"\x81" * 1_000_000, b"\xbb" + b"\xff" * 8, b"\xff", b"\xa1\x60", b"{}")
        ],
    ]
    assert [answer.status for answer in answers] == [400] * 5 + [answers[5].status, answers[6].status] + [400] * 5
    assert {answers[5].status, answers[6].status} <= {400, 404}


def test_xml_that_means_harm(site: Site) -> None:
    nested = (
        b"<!DOCTYPE x [" + b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10)) + b"]>"
    )
    bodies = {
        "entities": nested + b"<Tagging>&a9;</Tagging>",
        "a file": b'<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]><Tagging>&x;</Tagging>',
        "deep and open": b"<a>" * 10_000,
        "cut off": b"<Tagging><TagSet>",
        "bytes": bytes(range(256)),
    }
    for name, body in bodies.items():
        request = Request("PUT", "/journeys", "tagging", body=body)
        answer = site.owner.send(site.owner.sign(request, service="s3"))
        assert answer.pair == (400, "MalformedXML"), name
