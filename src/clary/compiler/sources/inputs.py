"""A graph's inputs, and what DataInputConfig says of them: names and shapes made one. Of ONNX and TensorFlow."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from clary.compiler.failures import Unsuitable
from clary.compiler.shapes import Input
from clary.compiler.sources import Wanted


class Given(NamedTuple):
    """An input as the model declares it. What of `shape` is no whole number is free."""

    name: str
    shape: Sequence[Any]


def matched(given: Sequence[Given], wanted: tuple[Input, ...]) -> tuple[tuple[Input, ...], bool]:
    """In the model's order; with whether the first dimension is free. Raises `Unsuitable`."""
    any_rows = all(each.shape and not isinstance(each.shape[0], int) for each in given)
    if not wanted:
        return tuple(Input(each.name, _derived(each)) for each in given), any_rows
    if len(wanted) != len(given):
        raise Unsuitable(f"the model has {len(given)} inputs, and DataInputConfig names {len(wanted)}")
    named = {each.name: each.shape for each in wanted}
    if any(named) and set(named) != {each.name for each in given}:
        names = ", ".join(each.name for each in given)
        raise Unsuitable(f"the inputs of the model are called {names}, and DataInputConfig names {', '.join(named)}")
    found = [named.get(each.name, shape.shape) for each, shape in zip(given, wanted, strict=True)]
    return tuple(_fitting(each, shape) for each, shape in zip(given, found, strict=True)), any_rows


def stripped(wanted: Wanted) -> Wanted:
    """`x:0`, as TensorFlow's tools print the name of a tensor, is `x`."""
    return replace(wanted, inputs=tuple(Input(each.name.removesuffix(":0"), each.shape) for each in wanted.inputs))


def fits(shape: Sequence[int], given: Given) -> bool:
    return len(shape) == len(given.shape) and all(
        not isinstance(size, int) or size == one for size, one in zip(given.shape, shape, strict=True)
    )


def _derived(given: Given) -> tuple[int, ...]:
    free = [size for size in given.shape[1:] if not isinstance(size, int)]
    if free:
        raise Unsuitable(f"Input {given.name} has free dimensions {given.shape}: DataInputConfig has to name them")
    return tuple(size if isinstance(size, int) else 1 for size in given.shape)


def _fitting(given: Given, shape: tuple[int, ...]) -> Input:
    if not fits(shape, given):
        raise Unsuitable(f"Input {given.name} has wrong shape in DataInputConfig: {list(shape)} for {given.shape}")
    return Input(given.name, shape)
