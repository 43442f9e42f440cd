"""EC2's filters. A name such as `memory-info.size-in-mib` is a path of members of the answer, known by the model.

Values of one filter are alternatives, filters are all to match; `*` and `?` stand for any characters and any one.
"""

import re
from collections.abc import Iterator
from typing import Any

from clary.wire.context import Context
from clary.wire.errors import AwsError
from clary.wire.models import Models, Shape
from clary.wire.operations import Request

ALIASES = {"message": "messages.message"}
"""Filters that EC2 does not call by their path."""


def matching(ctx: Context, member: str, items: list[dict[str, Any]], request: Request) -> list[dict[str, Any]]:
    """Those of the items of an answer's list that pass the request's filters. Raises InvalidParameterValue."""
    output = ctx.need(Models).operation("ec2", ctx.operation).output_shape
    assert output is not None
    shape = output.members[member].member
    for given in request.get("Filters", ()):
        path = _path(shape, given.get("Name", ""))
        wanted = [_pattern(value) for value in given.get("Values", ())]
        items = [item for item in items if _passes(item, path, wanted)]
    return items


def _path(shape: Shape, name: str) -> list[str]:
    members = []
    for step in ALIASES.get(name, name).replace("-", "").split("."):
        while shape.type_name == "list":
            shape = shape.member
        found = next((member for member in _members(shape) if member.lower() in (step, f"{step}s", f"{step}es")), None)
        if found is None:
            raise AwsError(f"The filter '{name}' is invalid", code="InvalidParameterValue", status=400)
        members.append(found)
        shape = shape.members[found]
    return members


def _members(shape: Shape) -> Iterator[str]:
    return iter(shape.members if shape.type_name == "structure" else ())


def _pattern(value: str) -> re.Pattern[str]:
    first, *rest = (".".join(map(re.escape, part.split("?"))) for part in value.split("*"))
    # Atomic groups: a client's value must not make the matching take for ever.
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1])
    return re.compile(first + middle + (f".*{rest[-1]}" if rest else ""), re.DOTALL)


def _passes(item: Any, path: list[str], wanted: list[re.Pattern[str]]) -> bool:
    return any(pattern.fullmatch(text) for text in _texts(item, path) for pattern in wanted)


def _texts(value: Any, path: list[str]) -> Iterator[str]:
    """All that the path leads to, as EC2 spells it."""
    if isinstance(value, list):
        for one in value:
            yield from _texts(one, path)
    elif path:
        if path[0] in value:
            yield from _texts(value[path[0]], path[1:])
    elif isinstance(value, bool):
        yield str(value).lower()
    elif value is not None and not isinstance(value, dict):
        yield str(value)
