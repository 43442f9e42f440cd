"""Multipart uploads: create, part, list, complete, abort. How the bytes become one object is told in `multipart.py`."""

from typing import Any

from clary.objects import checksums
from clary.objects.call import Answer, Call, Operation, checksum_members, checksum_params, owner, quoted, version_of
from clary.objects.completion import Upload, Wanted
from clary.objects.conditions import write_condition
from clary.objects.errors import S3Error
from clary.objects.info import ObjectInfo
from clary.objects.multipart import PartFile
from clary.objects.operations.copies import part_number
from clary.objects.operations.lists import page_size
from clary.objects.operations.writes import encryption, extra_of


def create_upload(call: Call) -> Answer:
    algorithm, kind = _checksum(call)
    extra = extra_of(call, checksums={algorithm: ""} if algorithm else {}, checksum_type=kind)
    made = call.uploads.create(call.bucket.name, call.key, extra)
    output: dict[str, Any] = {"Bucket": call.bucket.name, "Key": call.key, "UploadId": made.id, **encryption(extra)}
    return Answer(output | ({"ChecksumAlgorithm": algorithm.upper(), "ChecksumType": kind} if algorithm else {}))


def _checksum(call: Call) -> tuple[str, str]:
    """Algorithm and kind: of the whole object where the algorithm can be combined and that is asked for."""
    algorithm = str(call.params.get("ChecksumAlgorithm", "")).lower()
    kind = call.params.get("ChecksumType", "FULL_OBJECT" if algorithm == "crc64nvme" else "COMPOSITE")
    if algorithm and algorithm not in checksums.ALGORITHMS:
        raise S3Error("InvalidRequest", "Checksum algorithm provided is unsupported.")
    impossible = kind == "FULL_OBJECT" and algorithm not in checksums.COMBINABLE
    if algorithm and (impossible or (kind == "COMPOSITE" and algorithm == "crc64nvme")):
        words = f"The {kind} checksum type cannot be used with the {algorithm} checksum algorithm."
        raise S3Error("InvalidRequest", words)
    return algorithm, kind


def upload_part(call: Call) -> Answer:
    """The body was received into its place by `open_part`."""
    upload, intake = _upload(call), call.body
    assert isinstance(intake.sink, PartFile)
    part = call.uploads.record(upload, part_number(call), intake.sink, intake.etag, dict(intake.stated))
    return Answer({"ETag": quoted(part.etag), **checksum_members(part.checksums)})


def list_parts(call: Call) -> Answer:
    upload = _upload(call)
    after, limit = call.params.get("PartNumberMarker", 0), page_size(call, "MaxParts")
    found = call.uploads.parts(upload, after, limit + 1)
    shown = found[:limit]
    output: dict[str, Any] = {
        "Bucket": call.bucket.name,
        "Key": call.key,
        "UploadId": upload.id,
        "PartNumberMarker": after,
        "NextPartNumberMarker": shown[-1].number if shown else 0,
        "MaxParts": limit,
        "IsTruncated": len(found) > limit,
        "StorageClass": upload.extra.storage_class,
        "Owner": owner(call.bucket.account),
        "Initiator": owner(call.bucket.account),
    }
    output["Parts"] = [
        {
            "PartNumber": part.number,
            "Size": part.size,
            "ETag": quoted(part.etag),
            "LastModified": int(part.modified),
            **checksum_members(part.checksums),
        }
        for part in shown
    ]
    if upload.algorithm:
        output |= {"ChecksumAlgorithm": upload.algorithm.upper(), "ChecksumType": upload.extra.checksum_type}
    return Answer(output)


def complete_upload(call: Call) -> Answer:
    before = _completed(call)
    if before:
        return Answer(_result(call, before))
    upload = _upload(call)
    stated = checksum_params(call.params)
    stored = [part for part in call.params.get("MultipartUpload", {}).get("Parts", []) if isinstance(part, dict)]
    if any("PartNumber" not in part or "ETag" not in part for part in stored):
        raise S3Error("MalformedXML")
    wanted = [Wanted(part["PartNumber"], part["ETag"], checksum_params(part)) for part in stored]
    info = call.uploads.complete(
        upload, wanted, write_condition(call.headers), stated, call.params.get("MpuObjectSize")
    )
    return Answer(_result(call, info))


def _completed(call: Call) -> ObjectInfo | None:
    """The object, if this very upload became it: a client whose answer was lost asks again."""
    live = call.objects.find(call.bucket.name, call.key)
    return live if live and live.extra.upload == call.params["UploadId"] else None


def _result(call: Call, info: ObjectInfo) -> dict[str, Any]:
    host = call.head.header("host")
    output: dict[str, Any] = {
        "Location": f"http://{host}/{call.bucket.name}/{call.key}",
        "Bucket": call.bucket.name,
        "Key": call.key,
        "ETag": quoted(info.etag),
        **version_of(call, info),
        **checksum_members(info.extra.checksums),
    }
    return (
        output | ({"ChecksumType": info.extra.checksum_type} if info.extra.checksums else {}) | encryption(info.extra)
    )


def abort_upload(call: Call) -> Answer:
    call.uploads.abort(_upload(call))
    return Answer()


def _upload(call: Call) -> Upload:
    return call.uploads.find(call.bucket.name, call.key, call.params["UploadId"])


OPERATIONS: dict[str, Operation] = {
    "CreateMultipartUpload": create_upload,
    "UploadPart": upload_part,
    "ListParts": list_parts,
    "CompleteMultipartUpload": complete_upload,
    "AbortMultipartUpload": abort_upload,
}
