"""Search expressions against what a record shows: filters, nested filters, sub-expressions. Pure."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from clary.wire.errors import ValidationException

Expression = dict[str, Any]
Shown = dict[str, Any]

MOST_ELEMENTS = 50
REPEATABLE_CONTAINS = frozenset(
    f"{noun}.{name}"
    for noun, names in {
        "Experiment": ("DisplayName", "ExperimentName", "Tags"),
        "Trial": ("DisplayName", "TrialName", "Tags"),
        "TrialComponent": ("DisplayName", "TrialComponentName", "Tags", "InputArtifacts", "OutputArtifacts"),
    }.items()
    for name in names
)
"""Properties that may have several Contains filters; of all others AWS accepts one filter in an expression."""


def filters_of(expression: Expression) -> Iterator[dict[str, Any]]:
    """Every filter of an expression, at any depth."""
    yield from expression.get("Filters", ())
    for nested in expression.get("NestedFilters", ()):
        yield from nested["Filters"]
    for inner in expression.get("SubExpressions", ()):
        yield from filters_of(inner)


def check(expression: Expression, noun: str) -> None:
    """Raises `ValidationException` for an expression that AWS refuses, whatever the records hold."""
    filters = list(filters_of(expression))
    if len(filters) > MOST_ELEMENTS:
        raise ValidationException(f"A search expression can have at most {MOST_ELEMENTS} elements.")
    for test in filters:
        needs = test.get("Operator", "Equals") not in ("Exists", "NotExists")
        if needs != ("Value" in test):
            raise ValidationException(f"The filter on {test['Name']} must {'' if needs else 'not '}have a Value.")
    contains = Counter(f"{noun}.{test['Name']}" for test in filters if test.get("Operator") == "Contains")
    if any(count > 1 and name not in REPEATABLE_CONTAINS for name, count in contains.items()):
        raise ValidationException("'CONTAINS' operator usage limit of 1 exceeded.")


def matches(expression: Expression, shown: Shown) -> bool:
    """Whether a record that shows itself so satisfies the expression; an empty one is satisfied by all."""
    parts = [
        *(_satisfies(test, shown, test["Name"]) for test in expression.get("Filters", ())),
        *(_nested(nested, shown) for nested in expression.get("NestedFilters", ())),
        *(matches(inner, shown) for inner in expression.get("SubExpressions", ())),
    ]
    return any(parts) if expression.get("Operator") == "Or" and parts else all(parts)


def values_at(value: Any, path: str) -> Iterator[Any]:
    """What lies at a dotted path, through every list on the way. Keys may hold dots, as tags and metrics do."""
    if isinstance(value, list):
        for item in value:
            yield from values_at(item, path)
    elif not path:
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if path == key:
                yield from values_at(inner, "")
            elif path.startswith(f"{key}."):
                yield from values_at(inner, path[len(key) + 1 :])


def _nested(nested: dict[str, Any], shown: Shown) -> bool:
    """One object of the list must satisfy all filters, whose names are given in full."""
    prefix = nested["NestedPropertyName"]
    names = [(test, test["Name"].removeprefix(f"{prefix}.")) for test in nested["Filters"]]
    return any(all(_satisfies(test, item, name) for test, name in names) for item in values_at(shown, prefix))


def _satisfies(test: dict[str, Any], shown: Any, name: str) -> bool:
    found = [value for value in values_at(shown, name) if value is not None]
    operator, wanted = test.get("Operator", "Equals"), test.get("Value", "")
    if operator == "Exists":
        return bool(found)
    if operator == "NotExists":
        return not found
    if operator == "NotEquals":
        return not any(_compare(value, "Equals", wanted, name) for value in found)
    return any(_compare(value, operator, wanted, name) for value in found)


def _compare(value: Any, operator: str, wanted: str, name: str) -> bool:
    if operator == "Contains":
        return wanted in str(value)
    if operator == "In":
        return str(value) in [each.strip() for each in wanted.split(",")]
    if operator == "Equals" and isinstance(value, (str, bool)):
        return str(value).lower() == wanted.lower() if isinstance(value, bool) else value == wanted
    pair = _numbers(value, wanted, name)
    return pair is not None and _ORDERED[operator](*pair)


def _numbers(value: Any, wanted: str, name: str) -> tuple[float, float] | None:
    """Both as numbers; `None` for a property whose text is not one. Raises when `wanted` should be one and is not."""
    limit = _number(wanted)
    if limit is None:
        raise ValidationException(f"The value {wanted!r} of the filter on {name} is neither a number nor a time.")
    try:
        here = float(value)
    except (TypeError, ValueError):
        return None
    if isinstance(value, str) and wanted.lstrip("+-").isdigit():
        # AWS compares a decimal hyperparameter as an integer when the given value is one.
        here = float(int(here))
    return here, limit


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


_ORDERED: dict[str, Callable[[float, float], bool]] = {
    "Equals": lambda here, limit: here == limit,
    "GreaterThan": lambda here, limit: here > limit,
    "GreaterThanOrEqualTo": lambda here, limit: here >= limit,
    "LessThan": lambda here, limit: here < limit,
    "LessThanOrEqualTo": lambda here, limit: here <= limit,
}
