"""What an algorithm is, as data: channels, hyperparameters, metrics. Validation, tuning ranges and docs follow from it.

Standard library only: read by the control plane and, inside the sandbox, by the algorithm itself.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Array = Any
"""A numpy array. numpy lives in the runtime environments, not where types are checked."""

Kind = Literal["integer", "continuous", "categorical", "list", "tuple", "nested"]


class UserError(Exception):
    """The caller's hyperparameters or data are wrong; the message says how to mend them."""


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`; `None` is without end. Open ends do not belong to it."""

    low: float | None = None
    high: float | None = None
    open_low: bool = False
    open_high: bool = False

    def holds(self, value: float) -> bool:
        if self.low is not None and (value < self.low or (self.open_low and value == self.low)):
            return False
        return self.high is None or value < self.high or (value == self.high and not self.open_high)

    def __str__(self) -> str:
        low, high = ("-inf" if self.low is None else self.low), ("inf" if self.high is None else self.high)
        return f"{'(' if self.open_low else '['}{low}, {high}{')' if self.open_high else ']'}"


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """One of them. `default` is for the docs: an absent value is left to the algorithm's library.

    list    comma separated words, each of `choices` when given
    tuple   "(1, 0, -1)"
    nested  a JSON list of lists of integers
    tune    the range AWS recommends for tuning; `None` = not tunable
    """

    name: str
    kind: Kind
    default: str = ""
    required: bool = False
    within: Range = Range()
    choices: tuple[str, ...] = ()
    tune: Range | None = None

    def parse(self, text: str) -> Any:
        """The value. Raises `UserError`."""
        try:
            value = _PARSERS[self.kind](text)
        except ValueError as error:
            raise UserError(f"Hyperparameter {self.name}: could not parse value {text!r} as {self.kind}") from error
        self._check(value)
        return value

    def _check(self, value: Any) -> None:
        if self.kind in ("integer", "continuous") and not self.within.holds(value):
            raise UserError(f"Hyperparameter {self.name}: value {value} is not in range {self.within}")
        words = value if self.kind == "list" else [str(item) for item in value] if self.kind == "tuple" else [value]
        wrong = [word for word in words if self.choices and word not in self.choices]
        if wrong:
            raise UserError(f"Hyperparameter {self.name}: value {wrong[0]!r} is not one of {list(self.choices)}")


@dataclass(frozen=True, slots=True)
class Channel:
    name: str
    content_types: tuple[str, ...]
    required: bool = False
    modes: tuple[str, ...] = ("File",)


@dataclass(frozen=True, slots=True)
class Metric:
    """A number the algorithm logs: first group of `regex`."""

    name: str
    regex: str
    maximise: bool


@dataclass(frozen=True, slots=True)
class Algorithm:
    """`training` is `module:function` inside the sandbox; `serving` a module with the four handler functions.

    `cross_checks` look at several parsed values together and raise `UserError`.
    """

    name: str
    training: str
    serving: str
    channels: tuple[Channel, ...]
    hyperparameters: tuple[Hyperparameter, ...]
    metrics: tuple[Metric, ...]
    cross_checks: tuple[Callable[[Mapping[str, Any]], None], ...] = ()

    def validate(self, given: Mapping[str, str]) -> dict[str, Any]:
        """The parsed hyperparameters. Raises `UserError` for the first that is missing, unknown or out of range."""
        known = {entry.name: entry for entry in self.hyperparameters}
        for name in given:
            if name not in known:
                raise UserError(f"Extraneous hyperparameter found: {name}")
        for entry in self.hyperparameters:
            if entry.required and entry.name not in given:
                raise UserError(f"Missing required hyperparameter: {entry.name}")
        values = {name: known[name].parse(text) for name, text in given.items()}
        for check in self.cross_checks:
            check(values)
        return values

    def check_channels(self, given: Mapping[str, Mapping[str, Any]]) -> None:
        """Raises `UserError` when a required channel is missing or one has a content type or mode it cannot have."""
        for channel in self.channels:
            if channel.required and channel.name not in given:
                raise UserError(f"Missing required channel: {channel.name}")
            content_type = given.get(channel.name, {}).get("ContentType")
            if content_type and bare(content_type) not in channel.content_types:
                raise UserError(f"{content_type} is not an accepted ContentType of channel {channel.name}")
            # FastFile looks like File.
            mode = given.get(channel.name, {}).get("TrainingInputMode", "File").replace("FastFile", "File")
            if mode not in channel.modes:
                raise UserError(f"{mode} is not an accepted InputMode of channel {channel.name}")


def bare(content_type: str) -> str:
    """A content type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def _tuple(text: str) -> tuple[int, ...]:
    inner = text.strip()
    if not (inner.startswith("(") and inner.endswith(")")):
        raise ValueError(text)
    return tuple(int(word) for word in inner[1:-1].split(",") if word.strip())


def _nested(text: str) -> list[list[int]]:
    value = json.loads(text)
    if not isinstance(value, list) or not all(isinstance(row, list) and row for row in value):
        raise ValueError(text)
    return [[int(item) for item in row] for row in value]


def _integer(text: str) -> int:
    return int(text.strip())


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


_PARSERS: Mapping[Kind, Callable[[str], Any]] = {
    "integer": _integer,
    "continuous": float,
    "categorical": str,
    "list": _words,
    "tuple": _tuple,
    "nested": _nested,
}
