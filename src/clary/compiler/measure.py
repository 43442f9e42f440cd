"""How long models take for the same inputs, called in turns: what else the machine does falls on all of them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

from clary.compiler.engines import Model

ROUNDS = 5
ROUND_SECONDS = 0.02


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
    """Of each of `compiled`: the median of several rounds, of each round the mean of its calls."""
    calls = [partial(model, inputs) for model in (original, *compiled)]
    counts = [_calls(each) for each in calls]
    rounds = [[_seconds(each, count) for each, count in zip(calls, counts, strict=True)] for _ in range(ROUNDS)]
    own, *others = (median(column) for column in zip(*rounds, strict=True))
    return [Measured(rows, own, other) for other in others]


def _calls(call: Callable[[], Any]) -> int:
    call()
    return max(1, int(ROUND_SECONDS / max(_seconds(call, 1), 1e-7)))


def _seconds(call: Callable[[], Any], count: int) -> float:
    begun = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - begun) / count
