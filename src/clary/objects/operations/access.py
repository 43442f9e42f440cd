"""Access control lists, as on a bucket that AWS makes today: the owner has everything and lists cannot be changed."""

from clary.objects.call import Answer, Call, Operation, owner
from clary.objects.errors import S3Error
from clary.objects.operations.reads import found

ALLOWED = ("private", "bucket-owner-full-control", "bucket-owner-read")


def check_acl(call: Call) -> None:
    """Raises `AccessControlListNotSupported` for a list that would share what is the owner's."""
    grants = [name for name in call.params if name.startswith("Grant")]
    if call.params.get("ACL", "private") not in ALLOWED or grants:
        raise S3Error("AccessControlListNotSupported")


def get_bucket_acl(call: Call) -> Answer:
    return Answer(_full_control(call))


def get_object_acl(call: Call) -> Answer:
    found(call)
    return Answer(_full_control(call))


def put_acl(call: Call) -> Answer:
    check_acl(call)
    if call.params.get("AccessControlPolicy"):
        raise S3Error("AccessControlListNotSupported")
    return Answer()


def get_policy_status(call: Call) -> Answer:
    if call.objects.document(call.bucket.name, "Policy") is None:
        raise S3Error("NoSuchBucketPolicy", BucketName=call.bucket.name)
    return Answer({"PolicyStatus": {"IsPublic": False}})


def _full_control(call: Call) -> dict[str, object]:
    who = owner(call.bucket.account)
    return {"Owner": who, "Grants": [{"Grantee": {"Type": "CanonicalUser", **who}, "Permission": "FULL_CONTROL"}]}


OPERATIONS: dict[str, Operation] = {
    "GetBucketAcl": get_bucket_acl,
    "GetObjectAcl": get_object_acl,
    "PutBucketAcl": put_acl,
    "PutObjectAcl": put_acl,
    "GetBucketPolicyStatus": get_policy_status,
}
