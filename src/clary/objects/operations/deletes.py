"""DeleteObject and the batch DeleteObjects."""

from typing import Any

from clary.objects.call import Answer, Call, Operation
from clary.objects.conditions import write_condition
from clary.objects.errors import S3Error
from clary.objects.info import ObjectInfo

MAX_BATCH = 1000


def delete_object(call: Call) -> Answer:
    version = call.params.get("VersionId", "")
    condition = write_condition({name: value for name, value in call.headers.items() if name == "if-match"})
    gone = call.objects.delete(call.bucket.name, call.key, version, condition)
    return Answer(_members(call, gone, version))


def _members(call: Call, gone: ObjectInfo | None, version: str) -> dict[str, Any]:
    """Where versions are kept: the id of what was deleted or of the marker that was made."""
    if version:
        return {"VersionId": version} | ({"DeleteMarker": True} if gone and gone.marker else {})
    if gone is None or not call.bucket.versioning:
        return {}
    return {"VersionId": gone.version, "DeleteMarker": gone.marker}


def delete_objects(call: Call) -> Answer:
    wanted = call.params.get("Delete", {})
    entries = wanted.get("Objects", [])
    if not 1 <= len(entries) <= MAX_BATCH or any(not entry.get("Key") for entry in entries):
        raise S3Error("MalformedXML")
    deleted: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for entry in entries:
        try:
            deleted.append(_delete(call, entry))
        except S3Error as error:
            named = {name: entry[name] for name in ("Key", "VersionId") if name in entry}
            errors.append({**named, "Code": error.code, "Message": error.message})
    output = {"Errors": errors} if errors else {}
    return Answer(output if wanted.get("Quiet") else {"Deleted": deleted, **output})


def _delete(call: Call, entry: dict[str, Any]) -> dict[str, Any]:
    version = entry.get("VersionId", "")
    condition = write_condition({"if-match": entry["ETag"]} if "ETag" in entry else {})
    gone = call.objects.delete(call.bucket.name, entry["Key"], version, condition)
    members = _members(call, gone, version)
    result = {"Key": entry["Key"]} | ({"VersionId": version} if version else {})
    if members.get("DeleteMarker"):
        result |= {"DeleteMarker": True, "DeleteMarkerVersionId": members["VersionId"]}
    return result


OPERATIONS: dict[str, Operation] = {"DeleteObject": delete_object, "DeleteObjects": delete_objects}
