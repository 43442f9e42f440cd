"""Configuration documents of a bucket: stored as given, returned as stored. CORS alone has an effect (`cors.py`).

One table. The member that a Put carries is what is kept; Get returns it whole where its output has a payload, else
member by member. A document with an `Id` in the query may exist many times.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from clary.objects.call import Answer, Call, Operation
from clary.objects.errors import S3Error


@dataclass(frozen=True)
class Document:
    """`name` as in PutBucket<name>; `member` the Put's payload; `payload` the Get's, if it has one."""

    name: str
    member: str
    payload: str = ""
    missing: str = ""
    """Error of a Get when nothing is stored; else `default` is the answer."""
    default: Mapping[str, Any] = field(default_factory=dict)
    delete: str = ""


DOCUMENTS = (
    Document("Cors", "CORSConfiguration", missing="NoSuchCORSConfiguration", delete="DeleteBucketCors"),
    Document(
        "Encryption",
        "ServerSideEncryptionConfiguration",
        "ServerSideEncryptionConfiguration",
        "ServerSideEncryptionConfigurationNotFoundError",
        delete="DeleteBucketEncryption",
    ),
    Document(
        "LifecycleConfiguration",
        "LifecycleConfiguration",
        missing="NoSuchLifecycleConfiguration",
        delete="DeleteBucketLifecycle",
    ),
    Document("Logging", "BucketLoggingStatus"),
    Document("NotificationConfiguration", "NotificationConfiguration"),
    Document(
        "OwnershipControls",
        "OwnershipControls",
        "OwnershipControls",
        default={"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}},
        delete="DeleteBucketOwnershipControls",
    ),
    Document(
        "Replication",
        "ReplicationConfiguration",
        "ReplicationConfiguration",
        "ReplicationConfigurationNotFoundError",
        delete="DeleteBucketReplication",
    ),
    Document("RequestPayment", "RequestPaymentConfiguration", default={"Payer": "BucketOwner"}),
    Document("AccelerateConfiguration", "AccelerateConfiguration"),
    Document("Tagging", "Tagging", missing="NoSuchTagSet", delete="DeleteBucketTagging"),
    Document("Website", "WebsiteConfiguration", missing="NoSuchWebsiteConfiguration", delete="DeleteBucketWebsite"),
)

PUBLIC_ACCESS = Document(
    "PublicAccessBlock",
    "PublicAccessBlockConfiguration",
    "PublicAccessBlockConfiguration",
    "NoSuchPublicAccessBlockConfiguration",
)

MANY = {
    "Analytics": "AnalyticsConfiguration",
    "IntelligentTiering": "IntelligentTieringConfiguration",
    "Inventory": "InventoryConfiguration",
    "Metrics": "MetricsConfiguration",
}


def _put(document: Document) -> Operation:
    def put(call: Call) -> Answer:
        body = call.params.get(document.member)
        if body is None:
            raise S3Error("MalformedXML")
        call.objects.set_document(call.bucket.name, document.name, msgspec.json.encode(body))
        return Answer()

    return put


def _get(document: Document) -> Operation:
    def get(call: Call) -> Answer:
        stored = call.objects.document(call.bucket.name, document.name)
        if stored is None and document.missing:
            raise S3Error(document.missing, BucketName=call.bucket.name)
        if stored is None:
            return Answer(dict(document.default))
        body = msgspec.json.decode(stored)
        return Answer({document.payload: body} if document.payload else body)

    return get


def _delete(name: str) -> Operation:
    def delete(call: Call) -> Answer:
        call.objects.set_document(call.bucket.name, name, None)
        return Answer()

    return delete


def _put_one(kind: str, member: str) -> Operation:
    def put(call: Call) -> Answer:
        body = call.params.get(member, {})
        if body.get("Id") != call.params["Id"]:
            raise S3Error("MalformedXML")
        call.objects.set_document(call.bucket.name, f"{kind}/{body['Id']}", msgspec.json.encode(body))
        return Answer()

    return put


def _get_one(kind: str, member: str) -> Operation:
    def get(call: Call) -> Answer:
        stored = call.objects.document(call.bucket.name, f"{kind}/{call.params['Id']}")
        if stored is None:
            raise S3Error("NoSuchConfiguration")
        return Answer({member: msgspec.json.decode(stored)})

    return get


def _list(kind: str, member: str) -> Operation:
    def listed(call: Call) -> Answer:
        found = call.objects.documents(call.bucket.name, f"{kind}/")
        return Answer({f"{member}List": [msgspec.json.decode(body) for _, body in found], "IsTruncated": False})

    return listed


def _delete_one(kind: str) -> Operation:
    def delete(call: Call) -> Answer:
        call.objects.set_document(call.bucket.name, f"{kind}/{call.params['Id']}", None)
        return Answer()

    return delete


def put_policy(call: Call) -> Answer:
    policy = call.params.get("Policy", "")
    try:
        valid = isinstance(json.loads(policy), dict)
    except ValueError:
        valid = False
    if not valid:
        raise S3Error("MalformedPolicy")
    call.objects.set_document(call.bucket.name, "Policy", policy.encode())
    return Answer(status=204)


def get_policy(call: Call) -> Answer:
    stored = call.objects.document(call.bucket.name, "Policy")
    if stored is None:
        raise S3Error("NoSuchBucketPolicy", BucketName=call.bucket.name)
    return Answer({"Policy": stored.decode()})


def _table() -> dict[str, Operation]:
    table: dict[str, Operation] = {}
    for document in DOCUMENTS:
        table[f"PutBucket{document.name}"] = _put(document)
        table[f"GetBucket{document.name}"] = _get(document)
        if document.delete:
            table[document.delete] = _delete(document.name)
    for kind, member in MANY.items():
        table[f"PutBucket{kind}Configuration"] = _put_one(kind, member)
        table[f"GetBucket{kind}Configuration"] = _get_one(kind, member)
        table[f"DeleteBucket{kind}Configuration"] = _delete_one(kind)
        table[f"ListBucket{kind}Configurations"] = _list(kind, member)
    return table


OPERATIONS: dict[str, Operation] = {
    **_table(),
    "PutPublicAccessBlock": _put(PUBLIC_ACCESS),
    "GetPublicAccessBlock": _get(PUBLIC_ACCESS),
    "DeletePublicAccessBlock": _delete(PUBLIC_ACCESS.name),
    "PutBucketPolicy": put_policy,
    "GetBucketPolicy": get_policy,
    "DeleteBucketPolicy": _delete("Policy"),
}

RECORDED = frozenset(name for name in OPERATIONS if "Cors" not in name and "Tagging" not in name)
"""Stored and returned, and nothing more; so a bucket policy opens and closes nothing either."""
