"""AlarmRule of a composite alarm: `ALARM("a") AND NOT (OK(b) OR INSUFFICIENT_DATA(arn:…))`. Pure.

`NOT` binds closest, then `AND`, then `OR`. Alarms are named, or given by their ARN, with or without quotes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

STATE = r"(?P<state>ALARM|OK|INSUFFICIENT_DATA)"
NAME = r"""(?:"(?P<double>[^"]+)"|'(?P<single>[^']+)'|(?P<bare>[^\s()"']+))"""
TOKEN = re.compile(rf"\s*(?:{STATE}\s*\(\s*{NAME}\s*\)|(?P<word>AND\b|OR\b|NOT\b|TRUE\b|FALSE\b|[()]))")
MOST_ELEMENTS = 500
DEEPEST = 50


class BadRule(ValueError):
    """Not a rule; the message says why."""


@dataclass(frozen=True, slots=True)
class Condition:
    """That an alarm is in a state. `alarm` is its name or ARN."""

    state: str
    alarm: str


def conditions(text: str) -> list[Condition]:
    """All that a rule mentions, in order. Raises BadRule."""
    parser = _Parser(_tokens(text), lambda condition: False)
    parser.parse()
    return [token for token in parser.tokens if isinstance(token, Condition)]


def holds(text: str, is_so: Callable[[Condition], bool]) -> bool:
    """Raises BadRule."""
    return _Parser(_tokens(text), is_so).parse()


def _tokens(text: str) -> list[Condition | str]:
    found: list[Condition | str] = []
    place, text = 0, text.rstrip()
    while place < len(text):
        match = TOKEN.match(text, place)
        if match is None:
            raise BadRule(f"'{text[place : place + 40].strip()}' was not expected")
        name = match["double"] or match["single"] or match["bare"]
        found.append(match["word"] or Condition(match["state"], name))
        place = match.end()
    if len(found) > MOST_ELEMENTS:
        raise BadRule(f"it has more than {MOST_ELEMENTS} elements")
    return found


@dataclass(slots=True)
class _Parser:
    """Recursive descent; evaluates as it reads."""

    tokens: list[Condition | str]
    is_so: Callable[[Condition], bool]
    at: int = field(default=0)
    depth: int = field(default=0)

    def parse(self) -> bool:
        value = self._any()
        if self.at < len(self.tokens):
            raise BadRule("there is more after its end")
        return value

    def _any(self) -> bool:
        self.depth += 1
        if self.depth > DEEPEST:
            raise BadRule("it is nested too deeply")
        value = self._all()
        while self._takes("OR"):
            value = self._all() or value
        self.depth -= 1
        return value

    def _all(self) -> bool:
        value = self._one()
        while self._takes("AND"):
            value = self._one() and value
        return value

    def _one(self) -> bool:
        negative = False
        while self._takes("NOT"):
            negative = not negative
        return self._atom() != negative

    def _atom(self) -> bool:
        if self.at >= len(self.tokens):
            raise BadRule("it ends too early")
        token = self.tokens[self.at]
        self.at += 1
        if isinstance(token, Condition):
            return self.is_so(token)
        if token in ("TRUE", "FALSE"):
            return token == "TRUE"
        if token != "(":
            raise BadRule(f"'{token}' was not expected")
        value = self._any()
        if not self._takes(")"):
            raise BadRule("a parenthesis is not closed")
        return value

    def _takes(self, word: str) -> bool:
        if self.at < len(self.tokens) and self.tokens[self.at] == word:
            self.at += 1
            return True
        return False
