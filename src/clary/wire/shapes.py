"""Facts about a botocore shape that botocore itself does not offer in one call; read by every protocol."""

from typing import Any

from botocore.model import Shape

from clary.wire.timestamps import Format


def is_document(shape: Shape) -> bool:
    """Free JSON of the client's own."""
    return bool(getattr(shape, "is_document_type", False))


def is_union(shape: Shape) -> bool:
    return bool(getattr(shape, "is_tagged_union", False))


def wire_name(member: Shape, name: str) -> str:
    """What the member is called on the wire."""
    return str(member.serialization.get("name", name))


def timestamp_format(shape: Shape, default: Format) -> Format:
    form: Any = shape.serialization.get("timestampFormat", default)
    return form  # type: ignore[no-any-return]


def is_answered_in_head(member: Shape) -> bool:
    """Whether an answer carries the member outside its body. Path and query exist only in requests."""
    return member.serialization.get("location") in ("header", "headers", "statusCode")


def payload_member(shape: Shape | None) -> str | None:
    """The member that is the whole body, if one is."""
    return None if shape is None else shape.serialization.get("payload")
