"""Put, get, head, delete: metadata, ranges, conditions, tags, attributes."""

import datetime
import http.client
from typing import Any

import pytest
from tests.objects.answers import keys, plain, refused
from tests.objects.conftest import BUCKET, Service

HEADERS = {
    "CacheControl": "max-age=60",
    "ContentDisposition": 'attachment; filename="x.csv"',
    "ContentEncoding": "gzip",
    "ContentLanguage": "de",
    "ContentType": "text/csv",
    "Metadata": {"source": "sensor 7", "empty": ""},
    "StorageClass": "STANDARD_IA",
}
MD5_OF_HELLO = '"5d41402abc4b2a76b9719d911017c592"'


def test_what_is_put_comes_back(s3: Any) -> None:
    put = s3.put_object(Bucket=BUCKET, Key="a/b.csv", Body=b"hello", **HEADERS)
    assert plain(put) == {"ETag": MD5_OF_HELLO, "ChecksumCRC32": "NhCmhg==", "ChecksumType": "FULL_OBJECT"}
    expected = {**HEADERS, "AcceptRanges": "bytes", "ContentLength": 5, "ETag": MD5_OF_HELLO}
    assert plain(s3.head_object(Bucket=BUCKET, Key="a/b.csv")) == expected
    got = s3.get_object(Bucket=BUCKET, Key="a/b.csv")
    sums = {"ChecksumCRC32": "NhCmhg==", "ChecksumType": "FULL_OBJECT"}
    assert plain(got, "Body") == expected | sums
    assert got["Body"].read() == b"hello"


def test_defaults_and_empty_objects(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="empty")
    got = s3.get_object(Bucket=BUCKET, Key="empty")
    assert (got["Body"].read(), got["ContentLength"], got["ContentType"]) == (b"", 0, "binary/octet-stream")


def test_missing_objects(s3: Any) -> None:
    assert refused(s3.get_object, Bucket=BUCKET, Key="no") == ("NoSuchKey", 404)
    assert refused(s3.head_object, Bucket=BUCKET, Key="no") == ("404", 404)
    assert refused(s3.get_object, Bucket="nobucket", Key="no") == ("NoSuchBucket", 404)
    assert refused(s3.put_object, Bucket="nobucket", Key="no", Body=b"") == ("NoSuchBucket", 404)
    s3.delete_object(Bucket=BUCKET, Key="no")


RANGES = [
    ("bytes=0-3", b"0123", "bytes 0-3/10"),
    ("bytes=7-", b"789", "bytes 7-9/10"),
    ("bytes=-3", b"789", "bytes 7-9/10"),
    ("bytes=-99", b"0123456789", "bytes 0-9/10"),
    ("bytes=5-99", b"56789", "bytes 5-9/10"),
    ("bytes=9-9", b"9", "bytes 9-9/10"),
    ("bytes=4-2", b"0123456789", None),
    ("lines=1-2", b"0123456789", None),
    ("bytes=0-1,3-4", b"0123456789", None),
]


def test_ranges(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"0123456789")
    got = [(text, s3.get_object(Bucket=BUCKET, Key="k", Range=text)) for text, _, _ in RANGES]
    assert [(text, answer["Body"].read(), answer.get("ContentRange")) for text, answer in got] == RANGES
    assert s3.head_object(Bucket=BUCKET, Key="k", Range="bytes=2-4")["ContentLength"] == 3
    for beyond in ("bytes=10-", "bytes=10-12", "bytes=-0"):
        assert refused(s3.get_object, Bucket=BUCKET, Key="k", Range=beyond) == ("InvalidRange", 416)


def test_response_headers_can_be_overridden(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"x", ContentType="text/plain")
    moment = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    got = s3.get_object(
        Bucket=BUCKET, Key="k", ResponseContentType="text/csv", ResponseCacheControl="no-store", ResponseExpires=moment
    )
    assert (got["ContentType"], got["CacheControl"], got["Expires"]) == ("text/csv", "no-store", moment)


def test_conditional_reads(s3: Any) -> None:
    etag = s3.put_object(Bucket=BUCKET, Key="k", Body=b"x")["ETag"]
    modified = s3.head_object(Bucket=BUCKET, Key="k")["LastModified"]
    hour = datetime.timedelta(hours=1)

    def outcome(**conditions: Any) -> int:
        try:
            return int(s3.get_object(Bucket=BUCKET, Key="k", **conditions)["ResponseMetadata"]["HTTPStatusCode"])
        except s3.exceptions.ClientError as error:
            return int(error.response["ResponseMetadata"]["HTTPStatusCode"])

    table = [
        ({"IfMatch": etag}, 200),
        ({"IfMatch": '"other"'}, 412),
        ({"IfNoneMatch": etag}, 304),
        ({"IfNoneMatch": "*"}, 304),
        ({"IfNoneMatch": '"other"'}, 200),
        ({"IfModifiedSince": modified}, 304),
        ({"IfModifiedSince": modified - hour}, 200),
        ({"IfUnmodifiedSince": modified}, 200),
        ({"IfUnmodifiedSince": modified - hour}, 412),
        ({"IfMatch": etag, "IfUnmodifiedSince": modified - hour}, 200),
        ({"IfNoneMatch": '"other"', "IfModifiedSince": modified}, 200),
    ]
    assert [outcome(**conditions) for conditions, _ in table] == [status for _, status in table]


def test_conditional_writes(s3: Any) -> None:
    etag = s3.put_object(Bucket=BUCKET, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    put = {"Bucket": BUCKET, "Key": "k", "Body": b"2"}
    assert refused(s3.put_object, **put, IfNoneMatch="*") == ("PreconditionFailed", 412)
    assert refused(s3.put_object, **put, IfMatch='"other"') == ("PreconditionFailed", 412)
    assert refused(s3.put_object, **put | {"Key": "none"}, IfMatch=etag) == ("NoSuchKey", 404)
    assert refused(s3.delete_object, Bucket=BUCKET, Key="k", IfMatch='"other"') == ("PreconditionFailed", 412)
    s3.put_object(**put, IfMatch=etag)
    assert s3.get_object(Bucket=BUCKET, Key="k")["Body"].read() == b"2"


def test_batch_delete(s3: Any) -> None:
    for name in ("a", "b", "c"):
        s3.put_object(Bucket=BUCKET, Key=name, Body=b"x")
    batch = {"Objects": [{"Key": "a"}, {"Key": "missing"}, {"Key": "b", "ETag": '"other"'}]}
    answer = s3.delete_objects(Bucket=BUCKET, Delete=batch)
    assert answer["Deleted"] == [{"Key": "a"}, {"Key": "missing"}]
    assert [(error["Key"], error["Code"]) for error in answer["Errors"]] == [("b", "PreconditionFailed")]
    quiet = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "b"}], "Quiet": True})
    assert plain(quiet) == {}
    assert keys(s3.list_objects_v2(Bucket=BUCKET)) == ["c"]


def test_tags(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"bytes stay", Tagging="team=blue%20sky&empty=")
    tags = [{"Key": "team", "Value": "blue sky"}, {"Key": "empty", "Value": ""}]
    assert s3.get_object_tagging(Bucket=BUCKET, Key="k")["TagSet"] == tags
    assert s3.head_object(Bucket=BUCKET, Key="k")["TagCount"] == 2
    s3.put_object_tagging(Bucket=BUCKET, Key="k", Tagging={"TagSet": [{"Key": "x", "Value": "y"}]})
    assert s3.get_object_tagging(Bucket=BUCKET, Key="k")["TagSet"] == [{"Key": "x", "Value": "y"}]
    s3.delete_object_tagging(Bucket=BUCKET, Key="k")
    assert s3.get_object_tagging(Bucket=BUCKET, Key="k")["TagSet"] == []
    assert s3.get_object(Bucket=BUCKET, Key="k")["Body"].read() == b"bytes stay"
    twice = {"TagSet": [{"Key": "x", "Value": "1"}, {"Key": "x", "Value": "2"}]}
    assert refused(s3.put_object_tagging, Bucket=BUCKET, Key="k", Tagging=twice) == ("InvalidTag", 400)
    many = {"TagSet": [{"Key": str(number), "Value": ""} for number in range(11)]}
    assert refused(s3.put_object_tagging, Bucket=BUCKET, Key="k", Tagging=many) == ("BadRequest", 400)


def test_attributes(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"hello", ChecksumAlgorithm="SHA256")
    wanted = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    assert plain(s3.get_object_attributes(Bucket=BUCKET, Key="k", ObjectAttributes=wanted)) == {
        "ETag": MD5_OF_HELLO.strip('"'),
        "Checksum": {
            "ChecksumSHA256": "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
            "ChecksumType": "FULL_OBJECT",
        },
        "StorageClass": "STANDARD",
        "ObjectSize": 5,
    }


REFUSED = [
    ({"Metadata": {"big": "x" * 2100}}, ("MetadataTooLarge", 400)),
    ({"StorageClass": "NO_SUCH_CLASS"}, ("InvalidStorageClass", 400)),
    ({"ACL": "public-read"}, ("AccessControlListNotSupported", 400)),
    ({"SSECustomerKey": "0" * 32, "SSECustomerAlgorithm": "AES256"}, ("NotImplemented", 501)),
    ({"Tagging": "aws:x=1"}, ("InvalidTag", 400)),
    ({"Key": "k" * 1025}, ("KeyTooLongError", 400)),
]


@pytest.mark.parametrize(("params", "answer"), REFUSED)
def test_what_put_refuses_it_does_not_store(s3: Any, params: dict[str, Any], answer: tuple[str, int]) -> None:
    call = {"Bucket": BUCKET, "Key": "k", "Body": b"x"} | params
    assert refused(s3.put_object, **call) == answer
    assert keys(s3.list_objects_v2(Bucket=BUCKET)) == []


def test_a_refusal_ends_the_connection_of_one_that_asked_for_leave(service: Service) -> None:
    connection = http.client.HTTPConnection(service.url.removeprefix("http://"))
    connection.request("PUT", f"/{BUCKET}/k", headers={"Expect": "100-continue", "Content-Length": "5"})
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("connection"), answer.read() != b"", answer.isclosed()) == (
        403,
        "close",
        True,
        True,
    )
    connection.close()
