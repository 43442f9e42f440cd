"""XML by shape, both ways: bodies of `rest-xml`, answers of `query` and `ec2`.

Written as text, which is several times faster than building a tree. Read with expat, and without any document type:
entities are how small XML becomes large.
"""

import re
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from clary.wire.errors import SerializationException
from clary.wire.protocols import scalars
from clary.wire.shapes import is_answered_in_head, wire_name

Node = ElementTree.Element
ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def decode(body: bytes) -> Node:
    """The root element. Raises `SerializationException`."""
    try:
        text = body.decode("utf-8-sig")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise SerializationException("A document type is not allowed in XML.")
        return ElementTree.fromstring(text)
    except (UnicodeDecodeError, ValueError, ElementTree.ParseError) as error:
        raise SerializationException("The XML you provided was not well-formed.") from error


def read(shape: Any, node: Node) -> Any:
    """The value of one element. Raises `SerializationException`."""
    if shape.type_name == "structure":
        return _read_structure(shape, node)
    if shape.type_name == "list":
        return [read(shape.member, child) for child in node]
    if shape.type_name == "map":
        return _read_map(shape, list(node))
    return scalars.read(shape, node.text or "")


def write(shape: Any, value: Any, name: str, space: str = "") -> str:
    """One element called `name`. `space` is a namespace for shapes that name none."""
    attributes = _space(shape) or (f' xmlns="{space}"' if space else "")
    if shape.type_name == "structure":
        content, more = write_members(shape, value), _attributes(shape, value)
        return f"<{name}{attributes}{more}>{content}</{name}>"
    if shape.type_name == "list":
        item = shape.member.serialization.get("name", "member")
        content = "".join(write(shape.member, each, item) for each in value if each is not None)
        return f"<{name}{attributes}>{content}</{name}>"
    if shape.type_name == "map":
        content = "".join(f"<entry>{_pair(shape, key, each)}</entry>" for key, each in value.items())
        return f"<{name}{attributes}>{content}</{name}>"
    return f"<{name}{attributes}>{text(scalars.write(shape, value))}</{name}>"


def write_members(shape: Any, value: dict[str, Any]) -> str:
    """The children of a structure's element; members with a location are elsewhere."""
    parts = []
    for name, member in shape.members.items():
        given = value.get(name)
        if given is None or is_answered_in_head(member) or member.serialization.get("xmlAttribute"):
            continue
        parts.append(_write_member(member, given, wire_name(member, name)))
    return "".join(parts)


def text(value: str) -> str:
    """Escaped; a carriage return would be lost in reading, and some characters XML cannot hold at all."""
    return ILLEGAL.sub("\ufffd", escape(value, {"\r": "&#xD;", "\n": "&#xA;"}))


def local(node: Node) -> str:
    """The element's name without its namespace."""
    return node.tag.rpartition("}")[2]


def _write_member(member: Any, given: Any, name: str) -> str:
    if not member.serialization.get("flattened"):
        return write(member, given, name)
    if member.type_name == "map":
        open_tag = f"<{name}{_space(member)}>"
        return "".join(f"{open_tag}{_pair(member, key, each)}</{name}>" for key, each in given.items())
    item = member.member.serialization.get("name", name)
    return "".join(write(member.member, each, item) for each in given if each is not None)


def _pair(shape: Any, key: str, value: Any) -> str:
    names = shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")
    return write(shape.key, key, names[0]) + write(shape.value, value, names[1])


def _space(shape: Any) -> str:
    space = shape.serialization.get("xmlNamespace")
    if not space:
        return ""
    if isinstance(space, str):
        return f" xmlns={quoteattr(space)}"
    prefix = f":{space['prefix']}" if space.get("prefix") else ""
    return f" xmlns{prefix}={quoteattr(space['uri'])}"


def _attributes(shape: Any, value: dict[str, Any]) -> str:
    return "".join(
        f" {wire_name(member, name)}={quoteattr(scalars.write(member, value[name]))}"
        for name, member in shape.members.items()
        if member.serialization.get("xmlAttribute") and value.get(name) is not None
    )


def _read_structure(shape: Any, node: Node) -> dict[str, Any]:
    children: dict[str, list[Node]] = {}
    for child in node:
        children.setdefault(local(child), []).append(child)
    found = {}
    for name, member in shape.members.items():
        if "location" in member.serialization:
            continue
        value = _read_member(member, wire_name(member, name), node, children)
        if value is not None:
            found[name] = value
    return found


def _read_member(member: Any, name: str, node: Node, children: dict[str, list[Node]]) -> Any:
    if member.serialization.get("xmlAttribute"):
        attributes = {key.rpartition("}")[2]: value for key, value in node.attrib.items()}
        return attributes.get(name.rpartition(":")[2])
    nodes = children.get(name)
    if member.serialization.get("flattened"):
        if member.type_name == "map":
            return None if nodes is None else _read_map(member, nodes)
        nodes = nodes or children.get(member.member.serialization.get("name", name))
        return None if nodes is None else [read(member.member, each) for each in nodes]
    return None if nodes is None else read(member, nodes[0])


def _read_map(shape: Any, entries: list[Node]) -> dict[str, Any]:
    key_name, value_name = shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")
    found = {}
    for entry in entries:
        pair = {local(child): child for child in entry}
        if key_name in pair and value_name in pair:
            found[read(shape.key, pair[key_name])] = read(shape.value, pair[value_name])
    return found
