"""Buckets themselves: create, head, list, delete, location, versioning."""

from clary.objects.call import Answer, Call, Operation, owner
from clary.objects.errors import S3Error

DEFAULT_REGION = "us-east-1"


def create_bucket(call: Call) -> Answer:
    name = call.params["Bucket"]
    wanted = call.params.get("CreateBucketConfiguration", {}).get("LocationConstraint")
    if (wanted or DEFAULT_REGION) != call.region and not (wanted == "EU" and call.region == "eu-west-1"):
        words = f"The {wanted or 'unspecified'} location constraint is incompatible for the region specific endpoint"
        raise S3Error("IllegalLocationConstraintException", f"{words} this request was sent to.")
    try:
        call.objects.create_bucket(call.account, call.region, name)
    except S3Error as error:
        # The oldest region answers a repeated create with success.
        if error.code != "BucketAlreadyOwnedByYou" or call.region != DEFAULT_REGION:
            raise
    return Answer({"Location": f"/{name}", "BucketArn": f"arn:aws:s3:::{name}"})


def head_bucket(call: Call) -> Answer:
    name, region = call.bucket.name, call.bucket.region
    return Answer({"BucketArn": f"arn:aws:s3:::{name}", "BucketRegion": region, "AccessPointAlias": False})


def list_buckets(call: Call) -> Answer:
    prefix, limit = call.params.get("Prefix", ""), call.params.get("MaxBuckets", 10_000)
    if not 1 <= limit <= 10_000:
        raise S3Error("InvalidArgument", "max-buckets must be between 1 and 10000")
    after = call.params.get("ContinuationToken", "")
    found = call.objects.buckets(call.account, prefix, after, limit + 1)
    region = call.params.get("BucketRegion")
    shown = [
        {"Name": entry.name, "CreationDate": entry.created, "BucketRegion": entry.region}
        for entry in found[:limit]
        if region in (None, entry.region)
    ]
    output = {"Buckets": shown, "Owner": owner(call.account)} | ({"Prefix": prefix} if prefix else {})
    return Answer(output | ({"ContinuationToken": found[limit - 1].name} if len(found) > limit else {}))


def delete_bucket(call: Call) -> Answer:
    call.objects.delete_bucket(call.bucket.name)
    call.uploads.sweep()
    return Answer()


def get_location(call: Call) -> Answer:
    """The region as the text of the root element, which no model describes; the oldest region has none."""
    region = "" if call.bucket.region == DEFAULT_REGION else call.bucket.region
    space = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<LocationConstraint {space}>{region}</LocationConstraint>'
    return Answer(raw=text.encode())


def get_versioning(call: Call) -> Answer:
    return Answer({"Status": call.bucket.versioning} if call.bucket.versioning else {})


def put_versioning(call: Call) -> Answer:
    status = call.params.get("VersioningConfiguration", {}).get("Status")
    if status not in ("Enabled", "Suspended"):
        raise S3Error("MalformedXML")
    call.objects.set_versioning(call.bucket.name, status)
    return Answer()


OPERATIONS: dict[str, Operation] = {
    "CreateBucket": create_bucket,
    "HeadBucket": head_bucket,
    "ListBuckets": list_buckets,
    "DeleteBucket": delete_bucket,
    "GetBucketLocation": get_location,
    "GetBucketVersioning": get_versioning,
    "PutBucketVersioning": put_versioning,
}
