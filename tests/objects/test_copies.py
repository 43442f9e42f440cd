import os
from typing import Any

from tests.objects.answers import keys, refused
from tests.objects.conftest import BUCKET, Service

SOURCE = {"CopySource": {"Bucket": BUCKET, "Key": "from here"}}


def make(s3: Any) -> str:
    etag: str = s3.put_object(
        Bucket=BUCKET, Key="from here", Body=b"hello", ContentType="text/x", Metadata={"a": "1"}, Tagging="t=1"
    )["ETag"]
    return etag


def test_a_copy_has_everything(s3: Any, service: Service) -> None:
    etag = make(s3)
    copied = s3.copy_object(Bucket=BUCKET, Key="to/there", **SOURCE)["CopyObjectResult"]
    assert copied["ETag"] == etag
    head = s3.head_object(Bucket=BUCKET, Key="to/there")
    assert (head["ContentType"], head["Metadata"], head["TagCount"]) == ("text/x", {"a": "1"}, 1)
    paths = [entry.path for entry in service.objects.list(BUCKET)]
    assert len({path.stat().st_ino for path in paths}) == 1
    s3.delete_object(Bucket=BUCKET, Key="from here")
    assert s3.get_object(Bucket=BUCKET, Key="to/there")["Body"].read() == b"hello"


def test_directives(s3: Any) -> None:
    make(s3)
    new = {"MetadataDirective": "REPLACE", "Metadata": {"b": "2"}, "ContentType": "text/y"}
    s3.copy_object(Bucket=BUCKET, Key="k", **SOURCE, **new, TaggingDirective="REPLACE", Tagging="u=2")
    head = s3.head_object(Bucket=BUCKET, Key="k")
    assert (head["ContentType"], head["Metadata"]) == ("text/y", {"b": "2"})
    assert s3.get_object_tagging(Bucket=BUCKET, Key="k")["TagSet"] == [{"Key": "u", "Value": "2"}]
    assert refused(s3.copy_object, Bucket=BUCKET, Key="from here", **SOURCE) == ("InvalidRequest", 400)
    s3.copy_object(Bucket=BUCKET, Key="from here", **SOURCE, MetadataDirective="REPLACE", Metadata={"c": "3"})
    assert s3.head_object(Bucket=BUCKET, Key="from here")["Metadata"] == {"c": "3"}


def test_conditions_and_missing_sources(s3: Any) -> None:
    etag = make(s3)
    names = {"Bucket": BUCKET, "Key": "k"}
    assert refused(s3.copy_object, **names, **SOURCE, CopySourceIfMatch='"no"') == ("PreconditionFailed", 412)
    assert refused(s3.copy_object, **names, **SOURCE, CopySourceIfNoneMatch=etag) == ("PreconditionFailed", 412)
    assert refused(s3.copy_object, **names, CopySource=f"{BUCKET}/none") == ("NoSuchKey", 404)
    assert refused(s3.copy_object, **names, CopySource="nosuchbucket/k") == ("NoSuchBucket", 404)
    assert refused(s3.copy_object, **names, CopySource="nonsense") == ("InvalidArgument", 400)
    s3.copy_object(**names, **SOURCE, CopySourceIfMatch=etag)
    assert keys(s3.list_objects_v2(Bucket=BUCKET)) == ["from here", "k"]


def test_a_version_as_source(s3: Any) -> None:
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    old = s3.put_object(Bucket=BUCKET, Key="k", Body=b"old")["VersionId"]
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"new")
    answer = s3.copy_object(Bucket=BUCKET, Key="k", CopySource={"Bucket": BUCKET, "Key": "k", "VersionId": old})
    assert answer["CopySourceVersionId"] == old
    assert s3.get_object(Bucket=BUCKET, Key="k")["Body"].read() == b"old"


def test_part_copies(s3: Any) -> None:
    body = os.urandom(6 << 20)
    s3.put_object(Bucket=BUCKET, Key="from here", Body=body)
    names = {"Bucket": BUCKET, "Key": "k"}
    names["UploadId"] = s3.create_multipart_upload(**names)["UploadId"]
    ranges = {1: f"bytes=0-{(5 << 20) - 1}", 2: "bytes=7-9"}
    parts = []
    for number, span in ranges.items():
        copied = s3.upload_part_copy(**names, PartNumber=number, **SOURCE, CopySourceRange=span)["CopyPartResult"]
        parts.append({"PartNumber": number, "ETag": copied["ETag"]})
    for wrong in ("bytes=0-99999999", "bytes=5-", "nonsense"):
        params = {**names, "PartNumber": 3, **SOURCE, "CopySourceRange": wrong}
        assert refused(s3.upload_part_copy, **params) == ("InvalidArgument", 400)
    s3.complete_multipart_upload(**names, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket=BUCKET, Key="k")["Body"].read() == body[: 5 << 20] + body[7:10]
