"""How long models take for the same inputs, called in turns: what else the machine does falls on all of them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

from clary.compiler.engines import Model

ROUNDS = 31
FEWEST, LONGEST_SECONDS = 5, 1.0
"""Of slow models there are fewer rounds."""
TURN_SECONDS = 0.001
"""Short, so that on a busy machine most turns are not interrupted, and the median is of one that was not."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds of one call with `rows` rows."""

    rows: int
    original: float
    compiled: float

    @property
    def speedup(self) -> float:
        return self.original / self.compiled


def measure(original: Model, compiled: Sequence[Model], inputs: Sequence[Any], rows: int) -> list[Measured]:
    """Of each of `compiled`: the median of many short turns, of each turn the mean of its calls."""
    calls = [partial(model, inputs) for model in (original, *compiled)]
    counts = [_calls(each) for each in calls]
    turns: list[list[float]] = []
    end = time.monotonic() + LONGEST_SECONDS
    while len(turns) < FEWEST or (len(turns) < ROUNDS and time.monotonic() < end):
        turns.append([_seconds(each, count) for each, count in zip(calls, counts, strict=True)])
    own, *others = (median(column) for column in zip(*turns, strict=True))
    return [Measured(rows, own, other) for other in others]


def _calls(call: Callable[[], Any]) -> int:
    """As many as fill a turn."""
    call()
    return max(1, int(TURN_SECONDS / max(min(_seconds(call, 1) for _ in range(5)), 1e-7)))


def _seconds(call: Callable[[], Any], count: int) -> float:
    begun = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - begun) / count
