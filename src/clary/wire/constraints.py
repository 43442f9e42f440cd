"""Which constraints of the model a request breaks, in AWS's own words.

The slow path and the truth: `validation.py` compiles the same rules for speed, and asks here when they fail.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

from botocore.model import Shape

from clary.wire.patterns import compiled
from clary.wire.shapes import is_document, is_union

ECHO = 1024
"""How much of a refused value its message repeats. AWS repeats all of it; ten megabytes help nobody."""

MOST = 50
"""How many violations a message lists."""


def describe(violations: list[str]) -> str:
    """`1 validation error detected: ...`, or `N validation errors detected: ...; ...`."""
    noun = "error" if len(violations) == 1 else "errors"
    return f"{len(violations)} validation {noun} detected: {'; '.join(violations)}"


def violations(shape: Shape | None, value: Any) -> list[str]:
    """All broken constraints of a parsed request, the first `MOST`."""
    found: list[str] = []
    if shape is not None:
        for text in _walk(shape, value, ""):
            found.append(text)
            if len(found) == MOST:
                break
    return found


def plainly_holds(shape: Any, value: dict[str, Any]) -> bool:
    """Whether a structure of single values surely breaks nothing; of any other kind of structure, `False`."""
    checks: dict[str, list[Callable[[Any], bool]]] | None = shape.__dict__.get("_clary_checks")
    if checks is None:
        checks = shape.__dict__["_clary_checks"] = _checks(shape)
    if not checks:
        return False
    for name in shape.required_members:
        if value.get(name) is None:
            return False
    for name, given in value.items():
        for check in checks[name]:
            if not check(given):
                return False
    return True


def _checks(shape: Any) -> dict[str, list[Callable[[Any], bool]]]:
    """Of each member; none at all for a shape that holds others."""
    if is_union(shape) or any(member.type_name in _WALKS for member in shape.members.values()):
        return {}
    return {name: [check for _, check in _rules(member)] for name, member in shape.members.items()}


def _walk(shape: Any, value: Any, path: str) -> Iterator[str]:
    walk: Walk | None = _WALKS.get(shape.type_name)
    broken = [rule for rule in _rules(shape) if not rule[1](value)]
    yield from (_fails(value, path, text) for text, _ in broken)
    if walk and not is_document(shape):
        yield from walk(shape, value, path)


def _walk_structure(shape: Any, value: dict[str, Any], path: str) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield f"Value null at '{_join(path, name)}' failed to satisfy constraint: Member must not be null"
    if is_union(shape) and len(value) != 1:
        yield _fails(list(value), path, "Member must have exactly one member set")
    for name, given in value.items():
        yield from _walk(shape.members[name], given, _join(path, name))


def _walk_list(shape: Any, value: list[Any], path: str) -> Iterator[str]:
    if shape.member.type_name in _WALKS:
        for number, item in enumerate(value, 1):
            if item is not None:
                yield from _walk(shape.member, item, f"{path}.{number}.member")
        return
    rules = _rules(shape.member)
    if any(not check(item) for item in value if item is not None for _, check in rules):
        yield _fails(value, path, f"Member must satisfy constraint: [{_texts(rules)}]")


def _walk_map(shape: Any, value: dict[str, Any], path: str) -> Iterator[str]:
    keys, values = _rules(shape.key), _rules(shape.value)
    if any(not check(key) for key in value for _, check in keys):
        yield _fails(value, path, f"Map keys must satisfy constraint: [{_texts(keys)}]")
    if shape.value.type_name in _WALKS:
        for key, item in value.items():
            if item is not None:
                yield from _walk(shape.value, item, f"{path}.{key[:ECHO]}.member")
    elif any(not check(item) for item in value.values() if item is not None for _, check in values):
        yield _fails(value, path, f"Map value must satisfy constraint: [{_texts(values)}]")


_WALKS: dict[str, "Walk"] = {"structure": _walk_structure, "list": _walk_list, "map": _walk_map}

Walk = Callable[[Any, Any, str], Iterator[str]]
Rule = tuple[str, Callable[[Any], bool]]


def _rules(shape: Any) -> list[Rule]:
    """The shape's own constraints: text and test, made once per shape object."""
    made: list[Rule] | None = shape.__dict__.get("_clary_rules")
    if made is None:
        made = shape.__dict__["_clary_rules"] = list(_make_rules(shape))
    return made


def _make_rules(shape: Any) -> Iterator[Rule]:
    kind, facts = shape.type_name, shape.metadata
    sized = kind in ("string", "list", "map", "blob")
    noun, of = ("length", len) if sized else ("value", _itself)
    if kind == "string" and shape.enum:
        allowed = frozenset(shape.enum)
        yield f"Member must satisfy enum value set: [{', '.join(shape.enum)}]", allowed.__contains__
        return
    if kind in ("structure", "timestamp", "boolean"):
        return
    if "max" in facts:
        yield f"Member must have {noun} less than or equal to {facts['max']}", _at_most(of, facts["max"])
    if "min" in facts:
        yield f"Member must have {noun} greater than or equal to {facts['min']}", _at_least(of, facts["min"])
    if kind == "string" and "pattern" in facts:
        yield f"Member must satisfy regular expression pattern: {facts['pattern']}", _matches(facts)


def _itself(value: Any) -> Any:
    return value


def _at_most(of: Callable[[Any], Any], limit: float) -> Callable[[Any], bool]:
    return lambda value: not of(value) > limit


def _at_least(of: Callable[[Any], Any], limit: float) -> Callable[[Any], bool]:
    return lambda value: not of(value) < limit


def _matches(facts: dict[str, Any]) -> Callable[[Any], bool]:
    """A value longer than allowed is refused by its length; matching it too would only cost time."""
    pattern, longest = facts["pattern"], facts.get("max", math.inf)
    search: Callable[[str], Any] | None = None

    def matches(value: str) -> bool:
        nonlocal search
        if len(value) > longest:
            return True
        search = search or compiled(pattern).search
        return search(value) is not None

    return matches


def _texts(rules: list[Rule]) -> str:
    return ", ".join(text for text, _ in rules)


def _fails(value: Any, path: str, constraint: str) -> str:
    return f"Value '{_shown(value)}' at '{path}' failed to satisfy constraint: {constraint}"


def _shown(value: Any) -> str:
    """As Java prints it, shortened. Lists and maps are cut before they are rendered."""
    if isinstance(value, list):
        value = f"[{', '.join(_shown(item) for item in value[:ECHO])}]"
    elif isinstance(value, dict):
        value = f"{{{', '.join(f'{k}={_shown(v)}' for k, v in list(value.items())[:ECHO])}}}"
    elif isinstance(value, bytes):
        value = f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= ECHO else f"{text[:ECHO]}..."


def _join(path: str, name: str) -> str:
    step = name[:1].lower() + name[1:]
    return f"{path}.{step}" if path else step
