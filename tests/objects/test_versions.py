from typing import Any

import pytest
from tests.objects.answers import keys, plain, refused
from tests.objects.conftest import BUCKET


@pytest.fixture
def kept(s3: Any) -> Any:
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return s3


def body(s3: Any, **params: Any) -> bytes:
    content: bytes = s3.get_object(Bucket=BUCKET, Key="k", **params)["Body"].read()
    return content


def test_the_setting(s3: Any) -> None:
    assert plain(s3.get_bucket_versioning(Bucket=BUCKET)) == {}
    for status in ("Enabled", "Suspended"):
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": status})
        assert plain(s3.get_bucket_versioning(Bucket=BUCKET)) == {"Status": status}


def test_old_versions_stay(kept: Any) -> None:
    first, second = (kept.put_object(Bucket=BUCKET, Key="k", Body=text)["VersionId"] for text in (b"1", b"2"))
    assert first != second
    assert (body(kept), body(kept, VersionId=first), body(kept, VersionId=second)) == (b"2", b"1", b"2")
    assert kept.head_object(Bucket=BUCKET, Key="k")["VersionId"] == second
    listed = kept.list_object_versions(Bucket=BUCKET)["Versions"]
    assert [(entry["VersionId"], entry["IsLatest"]) for entry in listed] == [(second, True), (first, False)]
    assert len(keys(kept.list_objects_v2(Bucket=BUCKET))) == 1
    assert refused(kept.get_object, Bucket=BUCKET, Key="k", VersionId="nonesuch") == ("NoSuchVersion", 404)


def test_deleting_makes_a_marker(kept: Any) -> None:
    version = kept.put_object(Bucket=BUCKET, Key="k", Body=b"1")["VersionId"]
    marker = kept.delete_object(Bucket=BUCKET, Key="k")
    assert marker["DeleteMarker"] is True
    assert refused(kept.get_object, Bucket=BUCKET, Key="k") == ("NoSuchKey", 404)
    assert refused(kept.get_object, Bucket=BUCKET, Key="k", VersionId=marker["VersionId"]) == ("MethodNotAllowed", 405)
    assert (body(kept, VersionId=version), keys(kept.list_objects_v2(Bucket=BUCKET))) == (b"1", [])
    listed = kept.list_object_versions(Bucket=BUCKET)
    assert [(entry["VersionId"], entry["IsLatest"]) for entry in listed["Versions"]] == [(version, False)]
    assert [(entry["VersionId"], entry["IsLatest"]) for entry in listed["DeleteMarkers"]] == [
        (marker["VersionId"], True)
    ]
    gone = kept.delete_object(Bucket=BUCKET, Key="k", VersionId=marker["VersionId"])
    assert plain(gone) == {"DeleteMarker": True, "VersionId": marker["VersionId"]}
    assert body(kept) == b"1"


def test_deleting_the_newest_version_brings_back_the_one_before(kept: Any) -> None:
    kept.put_object(Bucket=BUCKET, Key="k", Body=b"1")
    second = kept.put_object(Bucket=BUCKET, Key="k", Body=b"2")["VersionId"]
    assert plain(kept.delete_object(Bucket=BUCKET, Key="k", VersionId=second)) == {"VersionId": second}
    assert body(kept) == b"1"


def test_suspended_buckets_replace_the_null_version(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"before")
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    kept = s3.put_object(Bucket=BUCKET, Key="k", Body=b"kept")["VersionId"]
    assert body(s3, VersionId="null") == b"before"
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    for text in (b"3", b"4"):
        assert s3.put_object(Bucket=BUCKET, Key="k", Body=text)["VersionId"] == "null"
    assert (body(s3), body(s3, VersionId=kept)) == (b"4", b"kept")
    listed = s3.list_object_versions(Bucket=BUCKET)["Versions"]
    assert [entry["VersionId"] for entry in listed] == ["null", kept]
    assert plain(s3.delete_object(Bucket=BUCKET, Key="k")) == {"DeleteMarker": True, "VersionId": "null"}
    assert [entry["VersionId"] for entry in s3.list_object_versions(Bucket=BUCKET)["Versions"]] == [kept]


def test_version_pages(kept: Any) -> None:
    made = [(key, kept.put_object(Bucket=BUCKET, Key=key, Body=b"")["VersionId"]) for key in "aab"]
    made += [("b", kept.delete_object(Bucket=BUCKET, Key="b")["VersionId"])]
    pages = list(kept.get_paginator("list_object_versions").paginate(Bucket=BUCKET, PaginationConfig={"PageSize": 1}))
    listed = [
        (entry["Key"], entry["VersionId"])
        for page in pages
        for kind in ("Versions", "DeleteMarkers")
        for entry in page.get(kind, [])
    ]
    assert listed == [made[1], made[0], made[3], made[2]]
    assert len(pages) == 4


def test_a_batch_names_versions_and_markers(kept: Any) -> None:
    version = kept.put_object(Bucket=BUCKET, Key="k", Body=b"1")["VersionId"]
    marked = kept.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "k"}]})["Deleted"][0]
    assert (marked["Key"], marked["DeleteMarker"]) == ("k", True)
    both = [{"Key": "k", "VersionId": version}, {"Key": "k", "VersionId": marked["DeleteMarkerVersionId"]}]
    assert len(kept.delete_objects(Bucket=BUCKET, Delete={"Objects": both})["Deleted"]) == 2
    kept.delete_bucket(Bucket=BUCKET)
