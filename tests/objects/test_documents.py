import json
from typing import Any

import pytest
from tests.objects.answers import plain, refused
from tests.objects.conftest import BUCKET

RULE = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 3}}
SSE = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]}
BLOCK = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
CORS = {"AllowedMethods": ["GET"], "AllowedOrigins": ["https://*.example"], "AllowedHeaders": ["*"], "MaxAgeSeconds": 9}
OWNERSHIP = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}

# name, member of the put, what is put, error of the get before, member of the get's answer (empty: its members)
DOCUMENTS = [
    ("bucket_cors", "CORSConfiguration", {"CORSRules": [CORS]}, "NoSuchCORSConfiguration", ""),
    (
        "bucket_encryption",
        "ServerSideEncryptionConfiguration",
        SSE,
        "ServerSideEncryptionConfigurationNotFoundError",
        "ServerSideEncryptionConfiguration",
    ),
    (
        "bucket_lifecycle_configuration",
        "LifecycleConfiguration",
        {"Rules": [RULE]},
        "NoSuchLifecycleConfiguration",
        "",
    ),
    ("bucket_tagging", "Tagging", {"TagSet": [{"Key": "a", "Value": "b"}]}, "NoSuchTagSet", ""),
    (
        "public_access_block",
        "PublicAccessBlockConfiguration",
        BLOCK,
        "NoSuchPublicAccessBlockConfiguration",
        "PublicAccessBlockConfiguration",
    ),
    (
        "bucket_website",
        "WebsiteConfiguration",
        {"IndexDocument": {"Suffix": "i.html"}},
        "NoSuchWebsiteConfiguration",
        "",
    ),
    ("bucket_ownership_controls", "OwnershipControls", OWNERSHIP, "", "OwnershipControls"),
    ("bucket_notification_configuration", "NotificationConfiguration", {"EventBridgeConfiguration": {}}, "", ""),
    ("bucket_request_payment", "RequestPaymentConfiguration", {"Payer": "Requester"}, "", ""),
]


@pytest.mark.parametrize(("name", "member", "value", "missing", "shown"), DOCUMENTS, ids=[row[0] for row in DOCUMENTS])
def test_documents(s3: Any, name: str, member: str, value: dict[str, Any], missing: str, shown: str) -> None:
    get = getattr(s3, f"get_{name}")
    if missing:
        assert refused(get, Bucket=BUCKET) == (missing, 404)
    getattr(s3, f"put_{name}")(Bucket=BUCKET, **{member: value})
    assert plain(get(Bucket=BUCKET)) == ({shown: value} if shown else value)
    delete = getattr(s3, f"delete_{name.removesuffix('_configuration')}", None)
    if missing and delete:
        delete(Bucket=BUCKET)
        assert refused(get, Bucket=BUCKET) == (missing, 404)


def test_documents_are_bounded(s3: Any) -> None:
    many = [{"Key": f"{number}", "Value": "x" * 200} for number in range(800)]
    code = ("MaxMessageLengthExceeded", 400)
    assert refused(s3.put_bucket_tagging, Bucket=BUCKET, Tagging={"TagSet": many}) == code
    assert refused(s3.get_bucket_tagging, Bucket=BUCKET) == ("NoSuchTagSet", 404)
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": f"{n}{'k' * 1000}"} for n in range(1000)]})


def test_policy(s3: Any) -> None:
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    assert refused(s3.get_bucket_policy, Bucket=BUCKET) == ("NoSuchBucketPolicy", 404)
    assert refused(s3.put_bucket_policy, Bucket=BUCKET, Policy="not json") == ("MalformedPolicy", 400)
    s3.put_bucket_policy(Bucket=BUCKET, Policy=policy)
    assert s3.get_bucket_policy(Bucket=BUCKET)["Policy"] == policy
    s3.delete_bucket_policy(Bucket=BUCKET)
    assert refused(s3.get_bucket_policy, Bucket=BUCKET) == ("NoSuchBucketPolicy", 404)


def test_documents_with_an_id(s3: Any) -> None:
    made = [{"Id": name, "Filter": {"Prefix": name}} for name in ("a", "b")]
    for entry in made:
        s3.put_bucket_metrics_configuration(Bucket=BUCKET, Id=entry["Id"], MetricsConfiguration=entry)
    listed = s3.list_bucket_metrics_configurations(Bucket=BUCKET)["MetricsConfigurationList"]
    assert listed == made
    assert s3.get_bucket_metrics_configuration(Bucket=BUCKET, Id="a")["MetricsConfiguration"] == made[0]
    s3.delete_bucket_metrics_configuration(Bucket=BUCKET, Id="a")
    assert refused(s3.get_bucket_metrics_configuration, Bucket=BUCKET, Id="a") == ("NoSuchConfiguration", 404)


def test_access_lists(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"")
    for answer in (s3.get_bucket_acl(Bucket=BUCKET), s3.get_object_acl(Bucket=BUCKET, Key="k")):
        assert [grant["Permission"] for grant in answer["Grants"]] == ["FULL_CONTROL"]
        assert answer["Grants"][0]["Grantee"]["Type"] == "CanonicalUser"
    assert refused(s3.put_bucket_acl, Bucket=BUCKET, ACL="public-read") == ("AccessControlListNotSupported", 400)
    s3.put_object_acl(Bucket=BUCKET, Key="k", ACL="bucket-owner-full-control")
