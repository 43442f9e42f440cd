"""Filter patterns of FilterLogEvents: `ERROR -DEBUG "two words" ?a ?b` and `{ $.level = "x" && $.n > 3 }`.

`compile_pattern` gives a predicate over messages. What AWS has and we have not (space-delimited `[...]` patterns and
`%regular expressions%`) is refused rather than guessed.
"""

import json
import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from clary.wire.errors import AwsError

Matches = Callable[[str], bool]

TERM = re.compile(r'([-?]?)(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))')
TOKEN = re.compile(r'\s*(&&|\|\||!=|<=|>=|[=<>(){}]|"(?:[^"\\]|\\.)*"|[^\s"&|!=<>(){}]+)')
COMPARISONS = {"=": None, "!=": None, "<": float.__lt__, "<=": float.__le__, ">": float.__gt__, ">=": float.__ge__}
MISSING = object()


def compile_pattern(pattern: str) -> Matches:
    """Raises InvalidParameterException as AWS does for a pattern that cannot be read."""
    text = pattern.strip()
    if text.startswith("{"):
        return _Json(text).matches
    if text.startswith(("[", "%")):
        raise _invalid("space-delimited and regular expression patterns are not supported here")
    return _terms(text)


def _terms(text: str) -> Matches:
    if TERM.sub("", text).strip():
        raise _invalid("unbalanced quotes")
    terms: dict[str, list[str]] = {"": [], "-": [], "?": []}
    for sign, quoted, word in TERM.findall(text):
        terms[sign].append(re.sub(r"\\(.)", r"\1", quoted) or word)
    wanted, refused, either = terms.values()

    def matches(message: str) -> bool:
        # AWS ignores `?term` beside terms without one.
        if either and not wanted and not refused:
            return any(term in message for term in either)
        return all(term in message for term in wanted) and not any(term in message for term in refused)

    return matches


class _Json:
    """Recursive descent over `{ test && (test || test) }`; a message that is not a JSON object never matches."""

    def __init__(self, text: str) -> None:
        self._tokens = TOKEN.findall(text)
        if TOKEN.sub("", text).strip() or len(self._tokens) > 500:
            raise _invalid("unreadable JSON pattern")
        self._expect("{")
        self._test = self._either(depth=0)
        self._expect("}")
        if self._tokens:
            raise _invalid("text after the closing brace")

    def matches(self, message: str) -> bool:
        if not message.lstrip().startswith("{"):
            return False
        try:
            found = json.loads(message)
        except (ValueError, RecursionError):
            return False
        return self._test(found)

    def _either(self, depth: int) -> Callable[[Any], bool]:
        tests = [self._both(depth)]
        while self._tokens[:1] == ["||"]:
            self._tokens.pop(0)
            tests.append(self._both(depth))
        return lambda found: any(test(found) for test in tests)

    def _both(self, depth: int) -> Callable[[Any], bool]:
        tests = [self._single(depth)]
        while self._tokens[:1] == ["&&"]:
            self._tokens.pop(0)
            tests.append(self._single(depth))
        return lambda found: all(test(found) for test in tests)

    def _single(self, depth: int) -> Callable[[Any], bool]:
        token = self._take()
        if token == "(" and depth < 20:
            inner = self._either(depth + 1)
            self._expect(")")
            return inner
        if not token.startswith("$"):
            raise _invalid(f"'{token}' is not a selector")
        path = _path(token)
        sign = self._take()
        if sign in ("IS", "NOT"):
            return _special(path, sign, self._take())
        if sign not in COMPARISONS:
            raise _invalid(f"'{sign}' does not compare")
        value = self._take()
        return lambda found: _compare(_select(found, path), sign, value)

    def _take(self) -> str:
        if not self._tokens:
            raise _invalid("the pattern ends too early")
        return str(self._tokens.pop(0))

    def _expect(self, token: str) -> None:
        if self._take() != token:
            raise _invalid(f"'{token}' is missing")


def _path(selector: str) -> list[str | int]:
    parts = re.findall(r"\.([^.\[\]]+)|\[(\d+)\]", selector[1:])
    if "".join(f".{name}" if name else f"[{index}]" for name, index in parts) != selector[1:]:
        raise _invalid(f"'{selector}' is not a selector")
    return [name or int(index) for name, index in parts]


def _select(found: Any, path: list[str | int]) -> Any:
    for step in path:
        inside = isinstance(found, dict) and step in found if isinstance(step, str) else _has(found, step)
        if not inside:
            return MISSING
        found = found[step]
    return found


def _has(found: Any, index: int) -> bool:
    return isinstance(found, list) and index < len(found)


def _special(path: list[str | int], sign: str, word: str) -> Callable[[Any], bool]:
    wanted = {("IS", "NULL"): None, ("IS", "TRUE"): True, ("IS", "FALSE"): False, ("NOT", "EXISTS"): MISSING}
    if (sign, word) not in wanted:
        raise _invalid(f"'{sign} {word}'")
    return lambda found: _select(found, path) is wanted[sign, word]


def _compare(value: Any, sign: str, wanted: str) -> bool:
    if value is MISSING:
        return False
    test = COMPARISONS[sign]
    if test is None:
        return _equals(value, wanted) == (sign == "=")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return test(float(value), float(wanted))
    except (ValueError, OverflowError):
        return False


def _equals(value: Any, wanted: str) -> bool:
    if isinstance(value, str):
        text = re.sub(r"\\(.)", r"\1", wanted[1:-1]) if wanted.startswith('"') else wanted
        return fnmatchcase(value, re.sub(r"([\[?])", r"[\1]", text))
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return value == float(wanted)
        except ValueError:
            return False
    return json.dumps(value) == wanted


def _invalid(why: str) -> AwsError:
    return AwsError(f"Invalid filter pattern: {why}", code="InvalidParameterException", status=400)
