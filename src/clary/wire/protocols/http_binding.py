"""Members that travel in the path, the query, the headers or the status: shared by `rest-json` and `rest-xml`."""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

import msgspec
from botocore.model import Shape

from clary.wire.errors import SerializationException
from clary.wire.messages import Head
from clary.wire.protocols import scalars
from clary.wire.shapes import is_answered_in_head, timestamp_format, wire_name

QUOTED = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^,]*))\s*(?:,|$)')


Plan = tuple[list[tuple[str, str]], list[tuple[str, Any, str, Any]]]
"""Members that are a header's text, and all others that have a location with what reads them."""
Answered = list[tuple[str, Any, str, str]]
"""Members that have a location in an answer: name, shape, location, and the header or the beginning of its name."""


def read(shape: Any, head: Head, labels: dict[str, str]) -> dict[str, Any]:
    """All members with a location, those that the request carries."""
    found, named = {}, head.named
    plain, others = _plan(shape)
    for name, header in plain:
        if (text := named.get(header)) is not None:
            found[name] = text
    for name, member, wired, reader in others:
        value = reader(member, wired, head, labels)
        if value is not None:
            found[name] = value
    return found


def _plan(shape: Any) -> Plan:
    """Made once per shape object."""
    made: Plan | None = shape.__dict__.get("_clary_bindings")
    if made is None:
        made = shape.__dict__["_clary_bindings"] = _make_plan(shape)
    return made


def _make_plan(shape: Any) -> Plan:
    plain: list[tuple[str, str]] = []
    others: list[tuple[str, Any, str, Any]] = []
    for name, member in shape.members.items():
        location, wired = member.serialization.get("location"), wire_name(member, name)
        if location == "header" and member.type_name == "string" and not member.serialization.get("jsonvalue"):
            plain.append((name, wired.lower()))
        elif location is not None:
            others.append((name, member, wired, _READERS[location]))
    return plain, others


def write(shape: Any, result: dict[str, Any]) -> tuple[list[tuple[str, str]], int | None]:
    """Headers, and the status where a member is it."""
    headers: list[tuple[str, str]] = []
    status = None
    for name, member, location, wired in () if shape is None else _answered(shape):
        value = result.get(name)
        if value is None:
            continue
        if location == "header":
            headers.append((wired, _safe(_header_text(member, value))))
        elif location == "headers":
            headers += [(wired + key.lower(), _safe(str(item))) for key, item in value.items()]
        elif location == "statusCode":
            status = int(value)
    return headers, status


def _answered(shape: Any) -> Answered:
    """Made once per shape object."""
    made: Answered | None = shape.__dict__.get("_clary_answered")
    if made is None:
        made = shape.__dict__["_clary_answered"] = list(_find_answered(shape))
    return made


def _find_answered(shape: Any) -> Iterator[tuple[str, Any, str, str]]:
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        if location is not None:
            wired = member.serialization.get("name", "") if location == "headers" else wire_name(member, name)
            yield name, member, location, wired.lower()


def has_body(shape: Any) -> bool:
    """Whether an answer has any member in its body."""
    return not all(is_answered_in_head(member) for member in shape.members.values())


def _safe(value: str) -> str:
    """No value may end its header: line breaks and NULs become spaces."""
    return value if value.isprintable() else value.translate({10: " ", 13: " ", 0: " "})


def _read_label(member: Shape, name: str, head: Head, labels: dict[str, str]) -> Any:
    return scalars.read(member, labels[name]) if name in labels else None


def _read_query(member: Any, name: str, head: Head, labels: dict[str, str]) -> Any:
    if member.type_name == "map":
        return _read_query_map(member, head)
    values = [value for key, value in head.query_pairs if key == name]
    if not values:
        return None
    if member.type_name == "list":
        return [scalars.read(member.member, value) for value in values]
    return scalars.read(member, values[0])


def _read_query_map(member: Any, head: Head) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    for key, value in head.query_pairs:
        if member.value.type_name == "list":
            found.setdefault(key, []).append(value)
        else:
            found.setdefault(key, value)
    return found or None


def _read_header(member: Any, name: str, head: Head, labels: dict[str, str]) -> Any:
    text = head.named.get(name.lower())
    if text is None:
        return None
    if member.type_name == "list":
        return [scalars.read(member.member, item, "rfc822") for item in _split(member.member, text)]
    if member.serialization.get("jsonvalue"):
        return _read_json_value(text)
    return scalars.read(member, text, "rfc822")


def _read_headers(member: Any, name: str, head: Head, labels: dict[str, str]) -> Any:
    prefix = member.serialization.get("name", "").lower()
    found = {key[len(prefix) :]: value for key, value in head.named.items() if key.startswith(prefix)}
    return found or None


def _read_json_value(text: str) -> Any:
    try:
        return msgspec.json.decode(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise SerializationException("A header is not valid base64 JSON.") from error


def _split(member: Shape, text: str) -> list[str]:
    """The items of a list header. An HTTP date has a comma of its own; a quoted string may have any."""
    if not text.strip():
        return []
    if member.type_name == "timestamp" and timestamp_format(member, "rfc822") == "rfc822":
        parts = text.split(",")
        return [",".join(parts[at : at + 2]).strip() for at in range(0, len(parts), 2)]
    if '"' not in text:
        return [item.strip() for item in text.split(",")]
    items = [found for found in QUOTED.finditer(text) if found.start() < len(text)]
    return [re.sub(r"\\(.)", r"\1", item[1]) if item[1] is not None else item[2].strip() for item in items]


def _header_text(member: Any, value: Any) -> str:
    if member.type_name == "string" and not member.serialization.get("jsonvalue"):
        return str(value)
    if member.type_name == "list":
        return ", ".join(_quoted(scalars.write(member.member, item, "rfc822"), member.member) for item in value)
    if member.serialization.get("jsonvalue"):
        return base64.b64encode(msgspec.json.encode(value)).decode()
    return scalars.write(member, value, "rfc822")


def _quoted(text: str, member: Shape) -> str:
    if member.type_name != "string" or not ("," in text or '"' in text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_READERS = {"uri": _read_label, "querystring": _read_query, "header": _read_header, "headers": _read_headers}
