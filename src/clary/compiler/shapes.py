"""DataInputConfig: names and shapes of a model's inputs, as JSON or in Python's spelling of it."""

import ast
import json
from typing import Any, NamedTuple

from clary.compiler.failures import Unsuitable

LARGEST = 64 * 1024 * 1024
"""Numbers in one sampled input; a larger one would only measure this machine's memory."""


class Input(NamedTuple):
    """One input: its shape with the batch first. `name` is empty where the configuration is a list."""

    name: str
    shape: tuple[int, ...]


def parse(text: str) -> tuple[Input, ...]:
    """In the order given; empty for an empty text. Raises `Unsuitable`."""
    if not text.strip():
        return ()
    found = _read(text)
    entries = list(found.items()) if isinstance(found, dict) else [("", shape) for shape in _rows(found, text)]
    if not entries:
        raise Unsuitable(f"DataInputConfig names no input: {text[:200]}")
    return tuple(Input(str(name), _shape(str(name), shape)) for name, shape in entries)


def text(inputs: tuple[Input, ...]) -> str:
    """As it would be given."""
    return json.dumps({each.name: list(each.shape) for each in inputs})


def _read(given: str) -> Any:
    try:
        return json.loads(given)
    except (ValueError, RecursionError):
        pass
    try:
        # Documents show {'data': [1,3,224,224]}.
        return ast.literal_eval(given.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        raise Unsuitable(f"DataInputConfig is neither JSON nor a Python dictionary or list: {given[:200]}") from None


def _rows(found: Any, given: str) -> list[Any]:
    if not isinstance(found, list | tuple):
        raise Unsuitable(f"DataInputConfig has to be a dictionary or a list of shapes: {given[:200]}")
    # [1,3,224,224] for [[1,3,224,224]].
    return [found] if found and all(isinstance(each, int) for each in found) else list(found)


def _shape(name: str, given: Any) -> tuple[int, ...]:
    if isinstance(given, dict):
        # The form of Core ML's inputs.
        given = given.get("default_shape") or given.get("shape")
    what = f"Input {name}" if name else "An input"
    if not isinstance(given, list | tuple) or not given:
        raise Unsuitable(f"{what} has wrong shape in DataInputConfig: {str(given)[:200]}")
    sizes = tuple(given)
    if not all(isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in sizes):
        raise Unsuitable(f"{what} has wrong shape in DataInputConfig: sizes are whole numbers from 1: {list(sizes)}")
    total = 1
    for size in sizes:
        total *= size
        if total > LARGEST:
            raise Unsuitable(f"{what} has wrong shape in DataInputConfig: it is too large to be sampled: {list(sizes)}")
    return sizes
