"""Hyperparameters as a script's command-line arguments, by the rules of AWS's toolkit."""

from collections.abc import Mapping
from typing import Any


def arguments(hyperparameters: Mapping[str, Any]) -> list[str]:
    """`--key value` by sorted key; `-k value` for a key of one letter."""
    flat: list[str] = []
    for key in sorted(hyperparameters):
        flat += [f"-{key}" if len(key) == 1 else f"--{key}", text(hyperparameters[key])]
    return flat


def text(value: Any) -> str:
    """One value: dictionaries are `a=1,b=2`, None is empty, the rest as Python prints it."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return ",".join(f"{key}={item}" for key, item in sorted(value.items()))
    return str(value)
