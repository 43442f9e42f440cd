"""Metric math: `m1 / m2 * 100`, `SUM([m1, m2])`, `AVG(METRICS())`.

Numbers, the ids of other queries, `+ - * / ^`, and the functions of `REDUCE` and `EACH`. Anything else that CloudWatch
knows (SEARCH, FILL, RATE, ...) is refused by name.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from statistics import fmean, pstdev
from typing import NoReturn

from clary.wire.errors import AwsError

Series = dict[int, float]
"""Values by epoch milliseconds."""

Value = float | Series | list[Series]

TOKEN = re.compile(r"\s*(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+|[A-Za-z_]\w*|[-+*/^()\[\],])")
DEEPEST = 30

REDUCE: Mapping[str, Callable[[list[float]], float]] = {
    "SUM": math.fsum,
    "AVG": fmean,
    "MIN": min,
    "MAX": max,
    "STDDEV": pstdev,
}
EACH: Mapping[str, Callable[[float], float]] = {"ABS": abs, "CEIL": math.ceil, "FLOOR": math.floor}
ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": math.pow,
}


def evaluate(text: str, query: str, lookup: Callable[[str], Series], every: Callable[[], list[Series]]) -> Series:
    """The series of an expression. `lookup` gives another query's, `every` those of all metric queries.

    Raises ValidationError naming the query.
    """
    value = _Parser(text, query, lookup, every).parse()
    if not isinstance(value, dict):
        _refuse(query, "the result of an expression must be one time series")
    return value


class _Parser:
    """Recursive descent; evaluates as it reads."""

    def __init__(
        self, text: str, query: str, lookup: Callable[[str], Series], every: Callable[[], list[Series]]
    ) -> None:
        if TOKEN.sub("", text).strip():
            _refuse(query, f"'{TOKEN.sub('', text).strip()[:40]}' is not understood")
        self._tokens = [*TOKEN.findall(text), ""]
        self._at = 0
        self._depth = 0
        self._query, self._lookup, self._every = query, lookup, every

    def parse(self) -> Value:
        value = self._sum()
        if self._peek():
            _refuse(self._query, f"'{self._peek()}' was not expected")
        return value

    def _sum(self) -> Value:
        self._depth += 1
        if self._depth > DEEPEST:
            _refuse(self._query, "it is nested too deeply")
        value = self._product()
        while self._peek() in ("+", "-"):
            value = self._apply(self._take(), value, self._product())
        self._depth -= 1
        return value

    def _product(self) -> Value:
        value = self._sign()
        while self._peek() in ("*", "/"):
            value = self._apply(self._take(), value, self._sign())
        return value

    def _sign(self) -> Value:
        negative = False
        while self._peek() == "-":
            self._take()
            negative = not negative
        value = self._power()
        return self._apply("*", -1.0, value) if negative else value

    def _power(self) -> Value:
        value = self._atom()
        while self._peek() == "^":
            self._take()
            value = self._apply("^", value, self._atom())
        return value

    def _atom(self) -> Value:
        token = self._take()
        if token == "(":
            value = self._sum()
            self._expect(")")
            return value
        if token == "[":
            return self._array()
        if re.match(r"[\d.]", token):
            return float(token)
        if self._peek() == "(":
            return self._call(token)
        if not re.fullmatch(r"[a-z]\w*", token):
            _refuse(self._query, f"'{token}' was not expected")
        return self._lookup(token)

    def _array(self) -> list[Series]:
        items = [self._series(self._sum())]
        while self._peek() == ",":
            self._take()
            items.append(self._series(self._sum()))
        self._expect("]")
        return items

    def _call(self, name: str) -> Value:
        self._expect("(")
        if name == "METRICS" and self._peek() == ")":
            self._take()
            return self._every()
        if name not in REDUCE and name not in EACH:
            _refuse(self._query, f"the function {name} is not supported here")
        argument = self._sum()
        self._expect(")")
        if name in EACH:
            return {at: float(EACH[name](value)) for at, value in self._series(argument).items()}
        return self._reduce(REDUCE[name], argument)

    def _reduce(self, function: Callable[[list[float]], float], argument: Value) -> Value:
        """Of one series a number, of several a series."""
        if not isinstance(argument, list):
            values = list(self._series(argument).values())
            return float(function(values)) if values else 0.0
        times = sorted({at for series in argument for at in series})
        return {at: float(function([series[at] for series in argument if at in series])) for at in times}

    def _apply(self, sign: str, left: Value, right: Value) -> Value:
        """Point by point; points that only one side has, or that have no result, are left out."""
        if isinstance(left, list) or isinstance(right, list):
            _refuse(self._query, "arrays need a function such as SUM around them")
        if isinstance(left, float) and isinstance(right, float):
            value = _calculate(sign, left, right)
            return value if value is not None else _refuse(self._query, f"{left} {sign} {right} has no value")
        times = left if isinstance(left, dict) else right
        assert isinstance(times, dict)
        points = {at: _calculate(sign, *pair) for at in times if (pair := _pair(left, right, at))}
        return {at: value for at, value in points.items() if value is not None}

    def _series(self, value: Value) -> Series:
        return value if isinstance(value, dict) else _refuse(self._query, "a time series was expected")

    def _peek(self) -> str:
        return str(self._tokens[self._at])

    def _take(self) -> str:
        token = self._peek()
        if not token:
            _refuse(self._query, "it ends too early")
        self._at += 1
        return token

    def _expect(self, token: str) -> None:
        if self._peek() != token:
            _refuse(self._query, f"'{token}' was expected")
        self._at += 1


def _pair(left: Value, right: Value, at: int) -> tuple[float, float] | None:
    one = left.get(at) if isinstance(left, dict) else left
    two = right.get(at) if isinstance(right, dict) else right
    return (one, two) if isinstance(one, float) and isinstance(two, float) else None


def _calculate(sign: str, left: float, right: float) -> float | None:
    try:
        value = ARITHMETIC[sign](left, right)
    except (ArithmeticError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _refuse(query: str, why: str) -> NoReturn:
    raise AwsError(f"Error in expression '{query}': {why}", code="ValidationError", status=400)
