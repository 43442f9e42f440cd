"""Checksums, Content-MD5 and `aws-chunked` framing: what is stated is verified, and nothing wrong is stored."""

import base64
import hashlib
import hmac
import http.client
import os
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.harness import ACCESS_KEY, SECRET
from tests.objects.answers import keys, refused
from tests.objects.conftest import BUCKET, Service

from clary.objects.checksums import COMBINABLE, Digests, combine
from clary.objects.chunked import Decoder
from clary.objects.errors import S3Error

ALGORITHMS = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "XXHASH64", "XXHASH3", "XXHASH128"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm(s3: Any, algorithm: str) -> None:
    put = s3.put_object(Bucket=BUCKET, Key="k", Body=b"hello", ChecksumAlgorithm=algorithm)
    got = s3.get_object(Bucket=BUCKET, Key="k", ChecksumMode="ENABLED")
    assert (got["Body"].read(), got[f"Checksum{algorithm}"]) == (b"hello", put[f"Checksum{algorithm}"])
    head = s3.head_object(Bucket=BUCKET, Key="k")
    assert f"Checksum{algorithm}" not in head
    wrong = {
        f"Checksum{algorithm}": base64.b64encode(bytes(len(base64.b64decode(put[f"Checksum{algorithm}"])))).decode()
    }
    assert refused(s3.put_object, Bucket=BUCKET, Key="other", Body=b"hello", **wrong) == ("BadDigest", 400)
    bad = {f"Checksum{algorithm}": "AAAA"}
    assert refused(s3.put_object, Bucket=BUCKET, Key="other", Body=b"hello", **bad) == ("InvalidRequest", 400)
    assert keys(s3.list_objects_v2(Bucket=BUCKET)) == ["k"]


def test_an_unknown_algorithm_is_refused(s3: Any, service: Service) -> None:
    header = {"x_amz_checksum_blake3": "AAAA"}
    assert Raw(service.url).put("k", "UNSIGNED-PAYLOAD", b"hello", **header) == (400, "InvalidRequest")
    assert keys(s3.list_objects_v2(Bucket=BUCKET)) == []


def test_content_md5(s3: Any) -> None:
    right = base64.b64encode(hashlib.md5(b"hello").digest()).decode()
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"hello", ContentMD5=right)
    put = {"Bucket": BUCKET, "Key": "other", "Body": b"other"}
    assert refused(s3.put_object, **put, ContentMD5=right) == ("BadDigest", 400)
    assert refused(s3.put_object, **put, ContentMD5="short") == ("InvalidDigest", 400)
    assert keys(s3.list_objects_v2(Bucket=BUCKET)) == ["k"]


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5), st.sampled_from(sorted(COMBINABLE)))
def test_combined_crcs_are_those_of_the_whole(pieces: list[bytes], name: str) -> None:
    def crc(data: bytes) -> str:
        digests = Digests([name])
        digests.update(data)
        return digests.base64(name)

    assert combine(name, [(crc(piece), len(piece)) for piece in pieces]) == crc(b"".join(pieces))


def frame(pieces: list[bytes], trailer: str = "") -> bytes:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece)
    return chunks + b"0\r\n" + trailer.encode() + b"\r\n"


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=50), max_size=6), st.integers(1, 20))
def test_framing_however_it_arrives(pieces: list[bytes], step: int) -> None:
    body = frame(pieces, "x-amz-checksum-crc32:AAAAAA==\r\n")
    decoder = Decoder(None, trailing=True)
    got = b"".join(block for at in range(0, len(body), step) for block in decoder.feed(body[at : at + step]))
    decoder.finish()
    assert (got, decoder.trailer) == (b"".join(pieces), {"x-amz-checksum-crc32": "AAAAAA=="})


@pytest.mark.parametrize("body", [b"zz\r\n", b"5\r\nhello", b"5\r\nhelloX\r\n0\r\n\r\n", b"-5\r\n", b"0" * 5000, b""])
def test_broken_framing(body: bytes) -> None:
    decoder = Decoder(None, trailing=True)
    with pytest.raises(S3Error):
        b"".join(decoder.feed(body))
        decoder.finish()


class Raw:
    """Requests that boto3 does not make over plain HTTP: framed bodies, signed by hand."""

    def __init__(self, url: str) -> None:
        self.host = url.removeprefix("http://")

    def put(self, key: str, payload: str, body: Any, **headers: str) -> tuple[int, str]:
        """`body` is bytes, or a function of the seed signature, signing key and stamp."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        sent = {"host": self.host, "x-amz-content-sha256": payload, "x-amz-date": stamp}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        names = ";".join(sorted(sent))
        lines = "".join(f"{name}:{sent[name]}\n" for name in sorted(sent))
        canonical = f"PUT\n/{BUCKET}/{key}\n\n{lines}\n{names}\n{payload}"
        scope = f"{stamp[:8]}/us-east-1/s3/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        signing = f"AWS4{SECRET}".encode()
        for part in scope.split("/"):
            signing = hmac.digest(signing, part.encode(), "sha256")
        signature = hmac.digest(signing, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}".encode(), "sha256").hex()
        sent["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        content = body(signing, stamp, scope, signature) if callable(body) else body
        connection = http.client.HTTPConnection(self.host)
        connection.request("PUT", f"/{BUCKET}/{key}", content, sent)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text.partition("<Code>")[2].partition("<")[0]


PIECES = [os.urandom(70_000), b"second", b"third"]
LENGTH = str(sum(map(len, PIECES)))


def signed_chunks(pieces: list[bytes], trailer: str = "", flip: int = -1) -> Any:
    def build(key: bytes, stamp: str, scope: str, previous: str) -> bytes:
        empty = hashlib.sha256(b"").hexdigest()
        out = b""
        for number, piece in enumerate([*pieces, b""]):
            text = (
                f"AWS4-HMAC-SHA256-PAYLOAD\n{stamp}\n{scope}\n{previous}\n{empty}\n{hashlib.sha256(piece).hexdigest()}"
            )
            previous = hmac.digest(key, text.encode(), "sha256").hex()
            sent = piece[:-1] + bytes([piece[-1] ^ 1]) if number == flip else piece
            out += b"%x;chunk-signature=%s\r\n%s" % (len(piece), previous.encode(), sent) + (b"\r\n" if piece else b"")
        if trailer:
            digest = hashlib.sha256(f"{trailer}\n".encode()).hexdigest()
            text = f"AWS4-HMAC-SHA256-TRAILER\n{stamp}\n{scope}\n{previous}\n{digest}"
            out += (
                f"{trailer}\r\nx-amz-trailer-signature:{hmac.digest(key, text.encode(), 'sha256').hex()}\r\n".encode()
            )
        return out + b"\r\n"

    return build


def crc32(data: bytes) -> str:
    digests = Digests(["crc32"])
    digests.update(data)
    return digests.base64("crc32")


WHOLE = b"".join(PIECES)
TRAILER = f"x-amz-checksum-crc32:{crc32(WHOLE)}"
WRONG = "x-amz-checksum-crc32:AAAAAA=="
OTHER = "x-amz-checksum-crc32c:AAAAAA=="
MALFORMED_TRAILER = (400, "MalformedTrailerError")
FRAMED = {"x_amz_decoded_content_length": LENGTH, "content_encoding": "aws-chunked"}
WITH_TRAILER = FRAMED | {"x_amz_trailer": "x-amz-checksum-crc32"}
SIGNED, UNSIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

FRAMINGS = {
    "unsigned, trailer": (UNSIGNED, frame(PIECES, f"{TRAILER}\r\n"), WITH_TRAILER, (200, "")),
    "unsigned, wrong trailer": (UNSIGNED, frame(PIECES, f"{WRONG}\r\n"), WITH_TRAILER, (400, "BadDigest")),
    "unsigned, other trailer": (UNSIGNED, frame(PIECES, f"{OTHER}\r\n"), WITH_TRAILER, MALFORMED_TRAILER),
    "unsigned, promised trailer missing": (UNSIGNED, frame(PIECES), WITH_TRAILER, MALFORMED_TRAILER),
    "unsigned, trailer without promise": (UNSIGNED, frame(PIECES, f"{TRAILER}\r\n"), FRAMED, MALFORMED_TRAILER),
    "unsigned, trailer of no known kind": (
        UNSIGNED,
        frame(PIECES, "x-amz-checksum-blake3:AAAA\r\n"),
        FRAMED | {"x_amz_trailer": "x-amz-checksum-blake3"},
        (400, "InvalidRequest"),
    ),
    "unsigned, cut short": (UNSIGNED, frame(PIECES)[:-40], FRAMED, (400, "IncompleteBody")),
    "unsigned, other length": (
        UNSIGNED,
        frame(PIECES),
        FRAMED | {"x_amz_decoded_content_length": "5"},
        (400, "IncompleteBody"),
    ),
    "signed": (SIGNED, signed_chunks(PIECES), FRAMED, (200, "")),
    "signed, first altered": (SIGNED, signed_chunks(PIECES, flip=0), FRAMED, (403, "SignatureDoesNotMatch")),
    "signed, last altered": (SIGNED, signed_chunks(PIECES, flip=2), FRAMED, (403, "SignatureDoesNotMatch")),
    "signed, unsigned chunks": (SIGNED, frame(PIECES), FRAMED, (403, "SignatureDoesNotMatch")),
    "signed, trailer": (f"{SIGNED}-TRAILER", signed_chunks(PIECES, TRAILER), WITH_TRAILER, (200, "")),
    "signed, wrong trailer": (f"{SIGNED}-TRAILER", signed_chunks(PIECES, WRONG), WITH_TRAILER, (400, "BadDigest")),
    "plain, right hash": (hashlib.sha256(WHOLE).hexdigest(), WHOLE, {}, (200, "")),
    "plain, wrong hash": ("0" * 64, WHOLE, {}, (400, "XAmzContentSHA256Mismatch")),
    "plain, unsigned": ("UNSIGNED-PAYLOAD", WHOLE, {}, (200, "")),
}


@pytest.mark.parametrize("name", FRAMINGS)
def test_bodies_on_the_wire(s3: Any, service: Service, name: str) -> None:
    payload, body, headers, answer = FRAMINGS[name]
    assert Raw(service.url).put("k", payload, body, **headers) == answer
    if answer[0] != 200:
        assert keys(s3.list_objects_v2(Bucket=BUCKET)) == []
        assert list(service.objects.tree.root.glob(".staging/*/*")) == []
        return
    got = s3.get_object(Bucket=BUCKET, Key="k")
    assert (got["Body"].read(), got.get("ContentEncoding")) == (WHOLE, None)
