"""Tags of objects. A bucket's tags are one of its documents."""

from urllib.parse import parse_qsl

import msgspec

from clary.objects.call import Answer, Call, Operation, version_of
from clary.objects.errors import S3Error
from clary.objects.operations.reads import found

MAX_TAGS = 10
MAX_KEY, MAX_VALUE = 128, 256


def checked(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Raises `InvalidTag`, `BadRequest`."""
    if len(pairs) > MAX_TAGS:
        raise S3Error("BadRequest", "Object tags cannot be greater than 10")
    tags = dict(pairs)
    if len(tags) != len(pairs):
        raise S3Error("InvalidTag", "Cannot provide multiple Tags with the same key")
    for key, value in pairs:
        if not 1 <= len(key) <= MAX_KEY or key.startswith("aws:"):
            raise S3Error("InvalidTag", "The TagKey you have provided is invalid", TagKey=key)
        if len(value) > MAX_VALUE:
            raise S3Error("InvalidTag", "The TagValue you have provided is invalid", TagValue=value)
    return tags


def read_header(header: str) -> dict[str, str]:
    """`x-amz-tagging`: tags written like a query."""
    try:
        pairs = parse_qsl(header, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        raise S3Error("InvalidArgument", "The header 'x-amz-tagging' shall be encoded as UTF-8") from None
    return checked(pairs)


def get_tagging(call: Call) -> Answer:
    info = found(call)
    tags = [{"Key": key, "Value": value} for key, value in info.extra.tags.items()]
    return Answer({"TagSet": tags} | version_of(call, info))


def put_tagging(call: Call) -> Answer:
    tag_set = call.params.get("Tagging", {}).get("TagSet", [])
    return _store(call, checked([(tag.get("Key", ""), tag.get("Value", "")) for tag in tag_set]))


def delete_tagging(call: Call) -> Answer:
    return _store(call, {})


def _store(call: Call, tags: dict[str, str]) -> Answer:
    info = found(call)
    call.objects.set_extra(info, msgspec.structs.replace(info.extra, tags=tags))
    return Answer(version_of(call, info))


OPERATIONS: dict[str, Operation] = {
    "GetObjectTagging": get_tagging,
    "PutObjectTagging": put_tagging,
    "DeleteObjectTagging": delete_tagging,
}
