"""Form fields as a tree, and the tree as values by shape: requests of `query` and `ec2`, which differ in names."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from clary.wire.errors import SerializationException
from clary.wire.messages import Head
from clary.wire.protocols import scalars

DEEPEST = 48
"""Dots in one field's name; AWS's own stay below 20."""

MOST = 100_000
"""Fields of one form."""

Tree = dict[str, Any]
Name = Callable[[Any, str], str]


def fields(head: Head, body: bytes) -> Tree:
    """`A.b.1=x` as `{"A": {"b": {"1": {"": "x"}}}}`: a field may have both a value and fields below."""
    try:
        given = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST)
    except (UnicodeDecodeError, ValueError) as error:
        raise SerializationException("The form could not be read.") from error
    root: Tree = {}
    for name, value in [*head.query_pairs, *given]:
        steps = name.split(".")
        if len(steps) > DEEPEST:
            raise SerializationException("A field is nested too deeply.")
        node = root
        for step in steps:
            node = node.setdefault(step, {})
        node.setdefault("", value)
    return root


def read_structure(shape: Any, node: Tree, name_of: Name, flat: bool) -> dict[str, Any]:
    """`name_of(member, default)` is how the protocol calls a member; `flat` is whether all its lists are flattened."""
    found = {}
    for name, member in shape.members.items():
        below = _member_node(member, name_of(member, name), node, flat) or node.get(name)
        if below is not None:
            found[name] = _read(member, below, name_of, flat)
    return found


def _member_node(member: Any, name: str, node: Tree, flat: bool) -> Tree | None:
    """A flattened list whose members are named takes that name in place of its own."""
    renamed = None
    if member.type_name == "list" and member.serialization.get("flattened") and not flat:
        renamed = member.member.serialization.get("name")
    below = node.get(renamed or name)
    return below if below is not None else node.get(name)


def _read(shape: Any, node: Tree, name_of: Name, flat: bool) -> Any:
    if shape.type_name == "structure":
        return read_structure(shape, node, name_of, flat)
    if shape.type_name == "list":
        return [_read(shape.member, item, name_of, flat) for item in _items(shape, node, flat)]
    if shape.type_name == "map":
        return _read_map(shape, node, name_of, flat)
    return scalars.read(shape, node.get("", ""))


def _items(shape: Any, node: Tree, flat: bool) -> list[Tree]:
    if not (flat or shape.serialization.get("flattened")):
        node = node.get(shape.member.serialization.get("name", "member")) or node.get("member", {})
    return _numbered(node)


def _numbered(node: Tree) -> list[Tree]:
    """In order of their numbers, with gaps closed."""
    return [node[key] for key in sorted((key for key in node if key.isdecimal() and len(key) < 10), key=int)]


def _read_map(shape: Any, node: Tree, name_of: Name, flat: bool) -> dict[str, Any]:
    entries = _numbered(node if shape.serialization.get("flattened") else node.get("entry", {}))
    key_name, value_name = shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")
    found = {}
    for entry in entries:
        key = scalars.read(shape.key, entry.get(key_name, {}).get("", ""))
        found[key] = _read(shape.value, entry.get(value_name, {}), name_of, flat)
    return found
