"""Multipart uploads, and what boto3's transfers make of them."""

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import pytest
from tests.objects.answers import keys, plain, refused
from tests.objects.conftest import BUCKET, Service

MB = 1 << 20
FIVE = 5 * MB
BLOCK = os.urandom(FIVE)


class Upload:
    def __init__(self, s3: Any, **params: Any) -> None:
        self.s3 = s3
        self.names = {"Bucket": BUCKET, "Key": "big"}
        self.names["UploadId"] = s3.create_multipart_upload(**self.names, **params)["UploadId"]

    def part(self, number: int, body: bytes, **params: Any) -> dict[str, Any]:
        answer = self.s3.upload_part(**self.names, PartNumber=number, Body=body, **params)
        return {"PartNumber": number, **plain(answer)}

    def complete(self, *parts: dict[str, Any], **params: Any) -> Any:
        return self.s3.complete_multipart_upload(**self.names, MultipartUpload={"Parts": list(parts)}, **params)

    def complete_refused(self, *parts: dict[str, Any], **params: Any) -> tuple[str, int]:
        return refused(
            self.s3.complete_multipart_upload, **self.names, MultipartUpload={"Parts": list(parts)}, **params
        )


def content(s3: Any) -> bytes:
    body: bytes = s3.get_object(Bucket=BUCKET, Key="big")["Body"].read()
    return body


def etag_of(*parts: bytes) -> str:
    return f'"{hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()}-{len(parts)}"'


def test_equal_parts_become_the_object_without_a_copy(s3: Any, service: Service) -> None:
    upload = Upload(s3, ContentType="text/x", Metadata={"a": "b"}, Tagging="t=1")
    parts = [upload.part(number, body) for number, body in ((1, BLOCK), (2, BLOCK), (3, b"tail"))]
    [body] = service.objects.tree.uploads.glob("*/body")
    inode = body.stat().st_ino
    done = upload.complete(*parts)
    assert done["ETag"] == etag_of(BLOCK, BLOCK, b"tail")
    info = service.objects.find(BUCKET, "big")
    assert info is not None
    assert (info.path.stat().st_ino, info.path.read_bytes()) == (inode, BLOCK + BLOCK + b"tail")
    head = s3.head_object(Bucket=BUCKET, Key="big")
    assert (head["ContentType"], head["Metadata"], head["TagCount"]) == ("text/x", {"a": "b"}, 1)
    assert list(service.objects.tree.uploads.iterdir()) == []


# part number and body in the order sent; the numbers that are completed; what the object must be
JOINS = {
    "gaps": ([(2, BLOCK), (5, BLOCK), (9, b"end")], [2, 5, 9], BLOCK + BLOCK + b"end"),
    "last first": ([(2, b"end"), (1, BLOCK)], [1, 2], BLOCK + b"end"),
    "sent again": ([(1, BLOCK), (2, b"old"), (1, BLOCK[::-1]), (2, b"new")], [1, 2], BLOCK[::-1] + b"new"),
    "some left out": ([(1, BLOCK), (2, b"unused"), (3, b"end")], [1, 3], BLOCK + b"end"),
    "uneven": ([(1, BLOCK + b"x"), (2, BLOCK), (3, b"end")], [1, 2, 3], BLOCK + b"x" + BLOCK + b"end"),
    "growing": ([(1, BLOCK), (2, BLOCK + BLOCK)], [1, 2], BLOCK * 3),
    "one": ([(1, b"small")], [1], b"small"),
    "highest": ([(10_000, b"x")], [10_000], b"x"),
    "empty": ([(1, b"")], [1], b""),
}


@pytest.mark.parametrize("name", JOINS)
def test_parts_in_every_order(s3: Any, service: Service, name: str) -> None:
    sent, numbers, whole = JOINS[name]
    upload = Upload(s3)
    stored = {number: upload.part(number, body) for number, body in sent}
    upload.complete(*(stored[number] for number in numbers))
    assert content(s3) == whole
    assert list(service.objects.tree.uploads.iterdir()) == []


def test_what_completion_refuses(s3: Any) -> None:
    upload = Upload(s3)
    small, large = upload.part(1, b"small"), upload.part(2, BLOCK)
    assert upload.complete_refused(small, large) == ("EntityTooSmall", 400)
    assert upload.complete_refused(large, small) == ("InvalidPartOrder", 400)
    assert upload.complete_refused(large | {"ETag": '"0"'}) == ("InvalidPart", 400)
    assert upload.complete_refused(large, {"PartNumber": 3, "ETag": '"0"'}) == ("InvalidPart", 400)
    assert upload.complete_refused() == ("MalformedXML", 400)
    assert upload.complete_refused(large, MpuObjectSize=7) == ("InvalidRequest", 400)
    assert keys(s3.list_objects_v2(Bucket=BUCKET)) == []
    upload.complete(large)
    assert content(s3) == BLOCK


def test_a_repeated_completion_finds_its_object(s3: Any) -> None:
    upload = Upload(s3)
    part = upload.part(1, b"x")
    first = upload.complete(part)
    assert plain(upload.complete(part)) == plain(first)
    s3.put_object(Bucket=BUCKET, Key="big", Body=b"newer")
    assert upload.complete_refused(part) == ("NoSuchUpload", 404)


def test_conditional_completion(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="big", Body=b"there")
    upload = Upload(s3)
    part = upload.part(1, b"x")
    assert upload.complete_refused(part, IfNoneMatch="*") == ("PreconditionFailed", 412)
    assert content(s3) == b"there"
    upload.complete(part)
    assert content(s3) == b"x"


def test_abort(s3: Any, service: Service) -> None:
    upload = Upload(s3)
    part = upload.part(1, b"x")
    s3.abort_multipart_upload(**upload.names)
    assert refused(s3.upload_part, **upload.names, PartNumber=2, Body=b"x") == ("NoSuchUpload", 404)
    assert refused(s3.list_parts, **upload.names) == ("NoSuchUpload", 404)
    assert upload.complete_refused(part) == ("NoSuchUpload", 404)
    assert list(service.objects.tree.uploads.iterdir()) == []


def test_part_numbers(s3: Any) -> None:
    upload = Upload(s3)
    for number in (0, 10_001):
        assert refused(s3.upload_part, **upload.names, PartNumber=number, Body=b"") == ("InvalidArgument", 400)


def test_list_parts(s3: Any) -> None:
    upload = Upload(s3)
    sent = {number: upload.part(number, b"x" * number) for number in (3, 1, 2)}
    pages = s3.get_paginator("list_parts").paginate(**upload.names, PaginationConfig={"PageSize": 2})
    listed = [[(part["PartNumber"], part["Size"], part["ETag"]) for part in page["Parts"]] for page in pages]
    assert listed == [[(n, n, sent[n]["ETag"]) for n in (1, 2)], [(3, 3, sent[3]["ETag"])]]
    assert refused(s3.list_parts, **upload.names, MaxParts=-1) == ("InvalidArgument", 400)


def test_list_uploads(s3: Any) -> None:
    made = [
        (key, s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]) for key in ("a/1", "b", "b", "c", "a/2")
    ]
    pages = list(s3.get_paginator("list_multipart_uploads").paginate(Bucket=BUCKET, PaginationConfig={"PageSize": 2}))
    listed = [(entry["Key"], entry["UploadId"]) for page in pages for entry in page["Uploads"]]
    assert (listed, len(pages)) == (sorted(made), 3)
    grouped = s3.list_multipart_uploads(Bucket=BUCKET, Delimiter="/")
    assert ([entry["Prefix"] for entry in grouped["CommonPrefixes"]], len(grouped["Uploads"])) == (["a/"], 3)


def test_get_by_part_number(s3: Any) -> None:
    upload = Upload(s3)
    upload.complete(upload.part(1, BLOCK), upload.part(2, b"tail"))
    got = s3.get_object(Bucket=BUCKET, Key="big", PartNumber=2)
    assert (got["Body"].read(), got["PartsCount"], got["ContentRange"]) == (
        b"tail",
        2,
        f"bytes {FIVE}-{FIVE + 3}/{FIVE + 4}",
    )
    assert refused(s3.get_object, Bucket=BUCKET, Key="big", PartNumber=3) == ("InvalidPartNumber", 416)


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        ("CRC32", "COMPOSITE"),
        ("SHA256", "COMPOSITE"),
        ("XXHASH128", "COMPOSITE"),
        ("CRC32", "FULL_OBJECT"),
        ("CRC32C", "FULL_OBJECT"),
        ("CRC64NVME", "FULL_OBJECT"),
    ],
)
def test_checksums_of_the_whole(s3: Any, algorithm: str, kind: str) -> None:
    upload = Upload(s3, ChecksumAlgorithm=algorithm, ChecksumType=kind)
    parts = [upload.part(number, body, ChecksumAlgorithm=algorithm) for number, body in ((1, BLOCK), (2, b"tail"))]
    done = upload.complete(*parts)
    single = s3.put_object(Bucket=BUCKET, Key="single", Body=BLOCK + b"tail", ChecksumAlgorithm=algorithm)
    member = f"Checksum{algorithm}"
    if kind == "FULL_OBJECT":
        assert done[member] == single[member]
    else:
        assert done[member].endswith("-2")
    got = s3.get_object(Bucket=BUCKET, Key="big", ChecksumMode="ENABLED")
    assert (got["Body"].read(), got[member], got["ChecksumType"]) == (BLOCK + b"tail", done[member], kind)


def test_a_checksum_of_the_whole_is_checked_or_refused(s3: Any) -> None:
    upload = Upload(s3, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    part = upload.part(1, b"tail", ChecksumAlgorithm="CRC32")
    assert upload.complete_refused(part, ChecksumCRC32="AAAAAA==") == ("BadDigest", 400)
    assert upload.complete_refused(part, ChecksumCRC32C="AAAAAA==") == ("InvalidRequest", 400)
    assert upload.complete(part, ChecksumCRC32=part["ChecksumCRC32"])["ChecksumCRC32"] == part["ChecksumCRC32"]


def test_transfers(s3: Any, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(21 * MB + 7))
    s3.upload_file(str(source), BUCKET, "folder/big file", ExtraArgs={"Metadata": {"x": "y"}})
    s3.download_file(BUCKET, "folder/big file", str(target))
    assert target.read_bytes() == source.read_bytes()
    assert s3.head_object(Bucket=BUCKET, Key="folder/big file")["Metadata"] == {"x": "y"}
    s3.copy({"Bucket": BUCKET, "Key": "folder/big file"}, BUCKET, "copy")
    copied = io.BytesIO()
    s3.download_fileobj(BUCKET, "copy", copied)
    assert copied.getvalue() == source.read_bytes()
