from typing import Any

import pytest
from tests.objects.answers import plain, refused
from tests.objects.conftest import ACCOUNT, BUCKET, OTHER, Service


def test_create_head_list_delete(s3: Any) -> None:
    s3.create_bucket(Bucket="another")
    assert plain(s3.head_bucket(Bucket=BUCKET)) == {
        "BucketArn": f"arn:aws:s3:::{BUCKET}",
        "BucketRegion": "us-east-1",
        "AccessPointAlias": False,
    }
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["another", BUCKET]
    s3.delete_bucket(Bucket="another")
    assert refused(s3.head_bucket, Bucket="another") == ("404", 404)
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == [BUCKET]


def test_bucket_pages(service: Service) -> None:
    client = service.client()
    for number in range(5):
        client.create_bucket(Bucket=f"page-{number}")
    pages = client.get_paginator("list_buckets").paginate(Prefix="page", PaginationConfig={"PageSize": 2})
    assert [[bucket["Name"] for bucket in page["Buckets"]] for page in pages] == [
        ["page-0", "page-1"],
        ["page-2", "page-3"],
        ["page-4"],
    ]


@pytest.mark.parametrize("name", ["Upper", "a..b", "192.168.1.1", "xn--abc", "under_score", "ends-", "abc-s3alias"])
def test_names_that_are_refused(service: Service, name: str) -> None:
    assert refused(service.client().create_bucket, Bucket=name) == ("InvalidBucketName", 400)


def test_a_repeated_create(service: Service) -> None:
    service.client().create_bucket(Bucket=BUCKET)
    service.client().create_bucket(Bucket=BUCKET)
    west = service.client(region="us-west-2")
    place = {"LocationConstraint": "us-west-2"}
    west.create_bucket(Bucket="westward", CreateBucketConfiguration=place)
    again = {"Bucket": "westward", "CreateBucketConfiguration": place}
    assert refused(west.create_bucket, **again) == ("BucketAlreadyOwnedByYou", 409)
    assert refused(service.stranger().create_bucket, Bucket=BUCKET) == ("BucketAlreadyExists", 409)


def test_location(s3: Any, service: Service) -> None:
    west = service.client(region="eu-west-3")
    west.create_bucket(Bucket="paris", CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
    assert plain(west.get_bucket_location(Bucket="paris")) == {"LocationConstraint": "eu-west-3"}
    assert plain(s3.get_bucket_location(Bucket=BUCKET)) == {"LocationConstraint": None}
    assert refused(west.create_bucket, Bucket="elsewhere") == ("IllegalLocationConstraintException", 400)


def test_only_empty_buckets_are_deleted(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"x")
    assert refused(s3.delete_bucket, Bucket=BUCKET) == ("BucketNotEmpty", 409)
    s3.delete_object(Bucket=BUCKET, Key="k")
    s3.create_multipart_upload(Bucket=BUCKET, Key="unfinished")
    s3.delete_bucket(Bucket=BUCKET)
    s3.create_bucket(Bucket=BUCKET)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)


def test_expected_owner(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"x", ExpectedBucketOwner=ACCOUNT)
    assert refused(s3.head_bucket, Bucket=BUCKET, ExpectedBucketOwner=OTHER) == ("403", 403)
    assert refused(s3.get_object, Bucket=BUCKET, Key="k", ExpectedBucketOwner=OTHER) == ("AccessDenied", 403)


STRANGER = {
    "head_bucket": ({}, ("403", 403)),
    "list_objects_v2": ({}, ("AccessDenied", 403)),
    "get_object": ({"Key": "k"}, ("AccessDenied", 403)),
    "head_object": ({"Key": "k"}, ("403", 403)),
    "put_object": ({"Key": "k", "Body": b"evil"}, ("AccessDenied", 403)),
    "delete_object": ({"Key": "k"}, ("AccessDenied", 403)),
    "delete_objects": ({"Delete": {"Objects": [{"Key": "k"}]}}, ("AccessDenied", 403)),
    "create_multipart_upload": ({"Key": "k"}, ("AccessDenied", 403)),
    "put_object_tagging": ({"Key": "k", "Tagging": {"TagSet": []}}, ("AccessDenied", 403)),
    "put_bucket_policy": ({"Policy": "{}"}, ("AccessDenied", 403)),
    "delete_bucket": ({}, ("AccessDenied", 403)),
}


def test_another_account_is_refused_everything(s3: Any, service: Service) -> None:
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"mine")
    stranger = service.stranger()
    for name, (params, answer) in STRANGER.items():
        assert (name, refused(getattr(stranger, name), Bucket=BUCKET, **params)) == (name, answer)
    stranger.create_bucket(Bucket="theirs")
    copy = {"Bucket": "theirs", "Key": "stolen", "CopySource": f"{BUCKET}/k"}
    assert refused(stranger.copy_object, **copy) == ("AccessDenied", 403)
    assert s3.get_object(Bucket=BUCKET, Key="k")["Body"].read() == b"mine"
    assert [bucket["Name"] for bucket in stranger.list_buckets()["Buckets"]] == ["theirs"]


def test_what_is_not_built_says_so(s3: Any) -> None:
    assert refused(s3.get_object_torrent, Bucket=BUCKET, Key="k") == ("NotImplemented", 501)
