"""CopyObject and UploadPartCopy. Files never change, so a copied object is another name for the same bytes."""

from typing import Any
from urllib.parse import unquote

import msgspec

from clary.objects.call import Answer, Call, Operation, checksum_members, quoted, version_of
from clary.objects.checksums import ALGORITHMS, Digests
from clary.objects.conditions import COPY, check_read, write_condition
from clary.objects.errors import S3Error
from clary.objects.info import Extra, ObjectInfo
from clary.objects.multipart import MAX_PARTS
from clary.objects.operations.writes import encryption, extra_of
from clary.objects.ranges import copy_range
from clary.objects.receive import MAX_PUT_BYTES

_BLOCK = 1 << 20


def source_of(call: Call) -> ObjectInfo:
    """The object that `x-amz-copy-source` names, if the caller may read it and its conditions hold."""
    path, _, query = call.params["CopySource"].partition("?versionId=")
    bucket, slash, key = unquote(path).removeprefix("/").partition("/")
    if not slash or not bucket or not key:
        words = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"
        raise S3Error("InvalidArgument", words, ArgumentName="x-amz-copy-source", ArgumentValue=path)
    owned = call.objects.owned(call.account, bucket)
    if call.params.get("ExpectedSourceBucketOwner", owned.account) != owned.account:
        raise S3Error("AccessDenied")
    info = call.objects.find(bucket, key, query)
    if info is None:
        raise S3Error("NoSuchVersion" if query else "NoSuchKey", Key=key)
    if info.marker:
        raise S3Error("InvalidRequest", "The source of a copy request may not specifically refer to a delete marker.")
    check_read(info, call.headers, COPY)
    return info


def copy_object(call: Call) -> Answer:
    source = source_of(call)
    if source.size > MAX_PUT_BYTES:
        words = "The specified copy source is larger than the maximum allowable size for a copy source"
        raise S3Error("InvalidRequest", f"{words}: {MAX_PUT_BYTES}")
    digests = _digests(call, source)
    extra = _extra(call, source, digests)
    staged = call.objects.tree.link(source.path)
    etag = digests.hex("md5") if digests else source.etag
    info = call.objects.commit(call.bucket.name, call.key, staged, etag, extra, write_condition(call.headers))
    result = {"ETag": quoted(etag), "LastModified": int(info.modified), **checksum_members(extra.checksums)}
    output: dict[str, Any] = {"CopyObjectResult": result, **version_of(call, info), **encryption(extra)}
    source_version = {"CopySourceVersionId": source.version} if source.version != "null" else {}
    return Answer(output | source_version)


def _digests(call: Call, source: ObjectInfo) -> Digests | None:
    """Hashes of the source, where what is stored of it does not do: the copy of a multipart object is one part."""
    wanted = _algorithm(call)
    if "-" not in source.etag and (not wanted or wanted in source.extra.checksums):
        return None
    digests = Digests(["md5", *([wanted] if wanted else list(source.extra.checksums))])
    with source.path.open("rb") as file:
        for block in iter(lambda: file.read(_BLOCK), b""):
            digests.update(block)
    return digests


def _algorithm(call: Call) -> str:
    wanted = str(call.params.get("ChecksumAlgorithm", "")).lower()
    if wanted and wanted not in ALGORITHMS:
        raise S3Error("InvalidRequest", "Checksum algorithm provided is unsupported.")
    return wanted


def _extra(call: Call, source: ObjectInfo, digests: Digests | None) -> Extra:
    """Metadata and tags come from the source unless the directives say that the request replaces them."""
    given = extra_of(call)
    names = [_algorithm(call)] if _algorithm(call) else list(source.extra.checksums)
    sums = {name: digests.base64(name) if digests else source.extra.checksums[name] for name in names}
    replaced = _directive(call, "MetadataDirective") == "REPLACE"
    same = (source.bucket, source.key) == (call.bucket.name, call.key) and source.live
    if same and not replaced and "StorageClass" not in call.params and not encryption(given):
        words = (
            "This copy request is illegal because it is trying to copy an object to itself without changing the "
            "object's metadata, storage class, website redirect location or encryption attributes."
        )
        raise S3Error("InvalidRequest", words)
    base = given if replaced else source.extra
    headers = base.headers | {name: value for name, value in given.headers.items() if "encryption" in name}
    tags = given.tags if _directive(call, "TaggingDirective") == "REPLACE" else source.extra.tags
    return msgspec.structs.replace(
        given, headers=headers, metadata=base.metadata, tags=tags, checksums=sums, checksum_type="FULL_OBJECT"
    )


def _directive(call: Call, name: str) -> str:
    value = call.params.get(name, "COPY")
    if value not in ("COPY", "REPLACE"):
        raise S3Error("InvalidArgument", f"Unknown {name} value.", ArgumentValue=value)
    return str(value)


def upload_part_copy(call: Call) -> Answer:
    upload = call.uploads.find(call.bucket.name, call.key, call.params["UploadId"])
    number = part_number(call)
    source = source_of(call)
    header = call.params.get("CopySourceRange")
    start, end = copy_range(header, source.size) if header else (0, source.size)
    place = call.uploads.open_part(upload, number, end - start)
    digests = Digests(["md5", *([upload.algorithm] if upload.algorithm else [])])
    try:
        with source.path.open("rb") as file:
            file.seek(start)
            while place.size < end - start:
                block = file.read(min(_BLOCK, end - start - place.size))
                digests.update(block)
                place.write(block)
    except BaseException:
        place.discard()
        raise
    sums = {upload.algorithm: digests.base64(upload.algorithm)} if upload.algorithm else {}
    part = call.uploads.record(upload, number, place, digests.hex("md5"), sums)
    result = {"ETag": quoted(part.etag), "LastModified": int(part.modified), **checksum_members(sums)}
    source_version = {"CopySourceVersionId": source.version} if source.version != "null" else {}
    return Answer({"CopyPartResult": result} | source_version)


def part_number(call: Call) -> int:
    number: int = call.params["PartNumber"]
    if not 1 <= number <= MAX_PARTS:
        words = f"Part number must be an integer between 1 and {MAX_PARTS}, inclusive"
        raise S3Error("InvalidArgument", words, ArgumentName="partNumber", ArgumentValue=str(number))
    return number


OPERATIONS: dict[str, Operation] = {"CopyObject": copy_object, "UploadPartCopy": upload_part_copy}
