"""Reading objects: GetObject, HeadObject, GetObjectAttributes."""

from typing import Any

from clary.objects.call import Answer, Call, Operation, checksum_members, quoted, version_of
from clary.objects.conditions import check_read
from clary.objects.errors import NotModified, S3Error
from clary.objects.info import ObjectInfo
from clary.objects.operations.lists import page_size
from clary.objects.ranges import read_range
from clary.wire import timestamps

OVERRIDES = {
    "ResponseCacheControl": "cache-control",
    "ResponseContentDisposition": "content-disposition",
    "ResponseContentEncoding": "content-encoding",
    "ResponseContentLanguage": "content-language",
    "ResponseContentType": "content-type",
    "ResponseExpires": "expires",
}


def found(call: Call) -> ObjectInfo:
    """The version that the request names, or the live one. Raises what S3 answers for a missing or deleted one."""
    version = call.params.get("VersionId", "")
    info = call.objects.find(call.bucket.name, call.key, version)
    if info is not None and not info.marker:
        return info
    if info is not None:
        headers = {"x-amz-delete-marker": "true", "x-amz-version-id": info.version}
        headers["last-modified"] = str(timestamps.write(int(info.modified), "rfc822"))
        raise S3Error("MethodNotAllowed", headers=headers, Method=call.head.method, ResourceType="DeleteMarker")
    if version:
        raise S3Error("NoSuchVersion", Key=call.key, VersionId=version)
    raise S3Error("NoSuchKey", headers=_marker_headers(call), Key=call.key)


def _marker_headers(call: Call) -> dict[str, str]:
    newest = call.objects.newest(call.bucket.name, call.key) if call.bucket.versioning else None
    return {"x-amz-delete-marker": "true", "x-amz-version-id": newest.version} if newest else {}


def get_object(call: Call) -> Answer:
    """Also HeadObject: the same answer without the body."""
    info = found(call)
    try:
        check_read(info, call.headers)
    except NotModified:
        return Answer(_validators(call, info), 304)
    answer = Answer(_members(call, info), headers=_stored_headers(call, info), file=info.path)
    answer.part = _part(call, info)
    first, last = answer.part or (0, info.size)
    answer.output["ContentLength"] = last - first
    if answer.part:
        answer.status = 206
        answer.output["ContentRange"] = f"bytes {first}-{last - 1}/{info.size}"
    elif call.params.get("ChecksumMode", "").upper() == "ENABLED":
        # A range must not carry the checksum of the whole: clients would check what they got against it.
        answer.output |= checksum_members(info.extra.checksums)
        answer.output |= {"ChecksumType": info.extra.checksum_type} if info.extra.checksums else {}
    return answer


def _part(call: Call, info: ObjectInfo) -> tuple[int, int] | None:
    """The stretch asked for, by Range or by part number."""
    wanted = call.params.get("Range")
    number = call.params.get("PartNumber")
    if number is None:
        return read_range(wanted, info.size) if wanted else None
    if wanted:
        raise S3Error("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
    if not info.extra.parts:
        if number != 1:
            raise S3Error("InvalidPartNumber", ActualPartCount="1", PartNumberRequested=str(number))
        return (0, info.size) if info.size else None
    return _stretch(info, number)


def _stretch(info: ObjectInfo, number: int) -> tuple[int, int]:
    start = 0
    for part in info.extra.parts[: number - 1]:
        start += part.size
    if not 1 <= number <= len(info.extra.parts):
        count = str(len(info.extra.parts))
        raise S3Error("InvalidPartNumber", ActualPartCount=count, PartNumberRequested=str(number))
    return start, start + info.extra.parts[number - 1].size


def _validators(call: Call, info: ObjectInfo) -> dict[str, Any]:
    # HTTP dates have whole seconds; rounding up would make the object newer than it is.
    return {"ETag": quoted(info.etag), "LastModified": int(info.modified), **version_of(call, info)}


def _members(call: Call, info: ObjectInfo) -> dict[str, Any]:
    members = _validators(call, info) | {"AcceptRanges": "bytes", "Metadata": info.extra.metadata}
    if info.extra.tags:
        members["TagCount"] = len(info.extra.tags)
    if "PartNumber" in call.params and info.extra.parts:
        members["PartsCount"] = len(info.extra.parts)
    if info.extra.storage_class != "STANDARD":
        members["StorageClass"] = info.extra.storage_class
    return members


def _stored_headers(call: Call, info: ObjectInfo) -> dict[str, str]:
    headers = dict(info.extra.headers)
    for member, name in OVERRIDES.items():
        if member in call.params:
            value = call.params[member]
            headers[name] = value if isinstance(value, str) else str(timestamps.write(value, "rfc822"))
    return headers


def get_attributes(call: Call) -> Answer:
    info = found(call)
    wanted = call.params.get("ObjectAttributes", [])
    output: dict[str, Any] = {"LastModified": int(info.modified), **version_of(call, info)}
    if "ETag" in wanted:
        output["ETag"] = info.etag
    if "ObjectSize" in wanted:
        output["ObjectSize"] = info.size
    if "StorageClass" in wanted:
        output["StorageClass"] = info.extra.storage_class
    if "Checksum" in wanted and info.extra.checksums:
        output["Checksum"] = checksum_members(info.extra.checksums) | {"ChecksumType": info.extra.checksum_type}
    if "ObjectParts" in wanted and info.extra.parts:
        output["ObjectParts"] = _parts(call, info)
    return Answer(output)


def _parts(call: Call, info: ObjectInfo) -> dict[str, Any]:
    after, limit = call.params.get("PartNumberMarker", 0), page_size(call, "MaxParts")
    rest = [part for part in info.extra.parts if part.number > after]
    shown = rest[:limit]
    output: dict[str, Any] = {
        "TotalPartsCount": len(info.extra.parts),
        "PartNumberMarker": after,
        "MaxParts": limit,
        "IsTruncated": len(rest) > limit,
        "NextPartNumberMarker": shown[-1].number if shown else 0,
    }
    if info.extra.checksums:
        output["Parts"] = [
            {"PartNumber": part.number, "Size": part.size, **checksum_members(part.checksums)} for part in shown
        ]
    return output


OPERATIONS: dict[str, Operation] = {
    "GetObject": get_object,
    "HeadObject": get_object,
    "GetObjectAttributes": get_attributes,
}
