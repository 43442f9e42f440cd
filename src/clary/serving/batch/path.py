"""The subset of JSONPath in which filters of records are written.

    $                    the whole                       .*  [*]        every element, as an array
    .name  ['name']      a member                        ['a','b']      an object of these members
    [2]  [-1]            an element                      [0,2]  [0,5:]  an array of these elements
    [1:3]  [1:]  [:2]    a stretch; its end is left out

What follows something of several elements is asked of each of them, and gives an array.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

LONGEST = 63
_NAME = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_NAMES = re.compile(rf"\s*(?:{_NAME})\s*(?:,\s*(?:{_NAME})\s*)*")
_ONE_NAME = re.compile(_NAME)
_PLACE = re.compile(r"\s*(?:(-?\d+)?\s*(:)\s*(-?\d+)?|(-?\d+))\s*")
_STEP = re.compile(rf"\.?\[((?:{_NAME}|[^\]'\"])*)\]|\.(\*|[^.\[\]'\"*\s]+)")


class BadPath(ValueError):
    """Not of the subset."""


class NotThere(LookupError):
    """The value has no such part; the message says which."""


Step = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Path:
    """`steps`: each with whether it gives several elements, of which what follows is asked one by one."""

    text: str
    steps: tuple[tuple[Step, bool], ...]

    @property
    def is_whole(self) -> bool:
        return not self.steps

    def pick(self, value: Any) -> Any:
        """Raises `NotThere`. Of several elements, those that lack a part are left out."""
        return _pick(value, self.steps)


def parse(text: str) -> Path:
    """Raises `BadPath`."""
    if not text.startswith("$") or len(text) > LONGEST:
        raise BadPath(f"{text!r} does not begin with $ or is longer than {LONGEST} characters")
    steps, at = [], 1
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            raise BadPath(f"{text!r} is not understood from character {at + 1} on")
        steps.append(_bracket(text, found[1]) if found[2] is None else _dotted(found[2]))
        at = found.end()
    return Path(text, tuple(steps))


def _pick(value: Any, steps: tuple[tuple[Step, bool], ...]) -> Any:
    for number, (step, several) in enumerate(steps):
        value = step(value)
        if several and (rest := steps[number + 1 :]):
            return _pick_each(value, rest)
    return value


def _pick_each(values: Any, rest: tuple[tuple[Step, bool], ...]) -> list[Any]:
    nested, found = any(several for _, several in rest), []
    for value in values.values() if isinstance(values, dict) else values:
        try:
            one = _pick(value, rest)
        except NotThere:
            continue
        if nested and isinstance(one, list):
            found += one
        else:
            found.append(one)
    return found


def _dotted(name: str) -> tuple[Step, bool]:
    return (_every, True) if name == "*" else (_member(name), False)


def _bracket(text: str, inside: str) -> tuple[Step, bool]:
    if inside.strip() == "*":
        return _every, True
    if _NAMES.fullmatch(inside):
        names = [re.sub(r"\\(.)", r"\1", name[1:-1]) for name in _ONE_NAME.findall(inside)]
        return (_member(names[0]), False) if len(names) == 1 else (_members(names), True)
    places = [_place(text, part) for part in inside.split(",")]
    if len(places) == 1 and isinstance(places[0], int):
        return _element(places[0]), False
    return _elements(places), True


def _place(text: str, part: str) -> int | slice:
    found = _PLACE.fullmatch(part)
    if found is None:
        raise BadPath(f"{text!r}: {part!r} is neither an index nor a stretch")
    start, colon, end, index = found.groups()
    if colon:
        return slice(int(start) if start else None, int(end) if end else None)
    return int(index)


def _every(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return list(_array(value))


def _member(name: str) -> Step:
    def step(value: Any) -> Any:
        if not isinstance(value, dict) or name not in value:
            raise NotThere(f"there is no member {name!r}")
        return value[name]

    return step


def _members(names: list[str]) -> Step:
    def step(value: Any) -> Any:
        if not isinstance(value, dict):
            raise NotThere(f"there is no member {names[0]!r}")
        return {name: value[name] for name in names if name in value}

    return step


def _element(index: int) -> Step:
    def step(value: Any) -> Any:
        values = _array(value)
        if not -len(values) <= index < len(values):
            raise NotThere(f"index {index} is not within the {len(values)} elements")
        return values[index]

    return step


def _elements(places: list[int | slice]) -> Step:
    single = [place if isinstance(place, slice) else _element(place) for place in places]

    def step(value: Any) -> Any:
        found: list[Any] = []
        for place in single:
            if isinstance(place, slice):
                found += _array(value)[place]
            else:
                found.append(place(value))
        return found

    return step


def _array(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise NotThere("there is no array")
    return value
