"""PutObject, and what every request that makes an object says beside its bytes."""

from collections.abc import Mapping
from typing import Any

from clary.objects.call import Answer, Call, Operation, checksum_members, quoted, version_of
from clary.objects.conditions import write_condition
from clary.objects.errors import S3Error
from clary.objects.info import Extra
from clary.objects.interface import DEFAULT_TYPE
from clary.objects.operations.access import check_acl
from clary.objects.operations.tags import read_header
from clary.objects.tree import Staged

STORED_HEADERS = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    "x-amz-website-redirect-location",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
)
MAX_METADATA_BYTES = 2048
STORAGE_CLASSES = (
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
)
_UNSUPPORTED = ("SSECustomerAlgorithm", "ObjectLockMode", "ObjectLockLegalHoldStatus", "WriteOffsetBytes")


def put_object(call: Call) -> Answer:
    intake = call.body
    extra = extra_of(call, checksums=dict(intake.stated))
    assert isinstance(intake.sink, Staged)
    info = call.objects.commit(
        call.bucket.name, call.key, intake.sink, intake.etag, extra, write_condition(call.headers)
    )
    output: dict[str, Any] = {"ETag": quoted(info.etag), **version_of(call, info)}
    output |= checksum_members(extra.checksums)
    output |= {"ChecksumType": "FULL_OBJECT"} if extra.checksums else {}
    return Answer(output | encryption(extra))


def extra_of(call: Call, **more: Any) -> Extra:
    """Headers, user metadata, tags and storage class of the object to be. Refuses what would be ignored."""
    check_acl(call)
    for member in _UNSUPPORTED:
        if member in call.params:
            raise S3Error("NotImplemented", f"{member} implies functionality that is not implemented")
    storage = call.params.get("StorageClass", "STANDARD")
    if storage not in STORAGE_CLASSES:
        raise S3Error("InvalidStorageClass")
    return Extra(
        headers=stored_headers(call.headers),
        metadata=checked_metadata(call.params.get("Metadata", {})),
        tags=read_header(call.params.get("Tagging", "")),
        storage_class=storage,
        **more,
    )


def stored_headers(headers: Mapping[str, str]) -> dict[str, str]:
    kept = {name: headers[name] for name in STORED_HEADERS if headers.get(name)}
    coding = [step.strip() for step in kept.pop("content-encoding", "").split(",")]
    # `aws-chunked` is about the transfer, not about the object.
    left = ",".join(step for step in coding if step and step != "aws-chunked")
    return {"content-type": DEFAULT_TYPE} | kept | ({"content-encoding": left} if left else {})


def checked_metadata(metadata: dict[str, str]) -> dict[str, str]:
    size = sum(len(name) + len(value.encode()) for name, value in metadata.items())
    if size > MAX_METADATA_BYTES:
        raise S3Error("MetadataTooLarge", Size=str(size), MaxSizeAllowed=str(MAX_METADATA_BYTES))
    return {name.lower(): value for name, value in metadata.items()}


def encryption(extra: Extra) -> dict[str, str]:
    """The encryption that was asked for, recorded and said back."""
    members = {"ServerSideEncryption": "", "SSEKMSKeyId": "-aws-kms-key-id"}
    named = {member: f"x-amz-server-side-encryption{end}" for member, end in members.items()}
    return {member: extra.headers[name] for member, name in named.items() if name in extra.headers}


OPERATIONS: dict[str, Operation] = {"PutObject": put_object}
