"""What a load test is asked and what it found. Pure; `users.py` measures, the recommender reads."""

import math
from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

FLAT_STEPS = 2
FLAT_GAIN = 1.03
"""So many steps in a row, each with less than 3 % more than the best before, and the instance has reached capacity."""
LATENCIES_KEPT = 2_000_000
"""Of one step; what comes after them is only counted."""


@dataclass(frozen=True, slots=True)
class Ask:
    """`steps`: users and seconds. Each limit ends the test when a step has passed it."""

    url: str
    path: str
    region: str
    payloads: str
    """A folder: every file in it is a body, in turn."""
    content_type: str
    steps: tuple[tuple[int, float], ...]
    accept: str = ""
    max_per_minute: int | None = None
    percentile: float = 0.95
    max_milliseconds: float | None = None
    stop_when_flat: bool = True


def read(given: dict[str, Any]) -> Ask:
    return Ask(**{**given, "steps": tuple((int(users), float(seconds)) for users, seconds in given["steps"])})


@dataclass(slots=True)
class Tally:
    """One step under way: seconds of each call that was answered well."""

    latencies: "array[float]" = field(default_factory=lambda: array("d"))
    answered: int = 0
    errors: int = 0

    def add(self, seconds: float) -> None:
        self.answered += 1
        if len(self.latencies) < LATENCIES_KEPT:
            self.latencies.append(seconds)


@dataclass(frozen=True, slots=True)
class Step:
    """What so many users saw. `rate` is answers a second; latencies are milliseconds; errors count no latency."""

    users: int
    seconds: float
    answered: int
    errors: int
    rate: float
    p50: float
    p95: float
    p99: float

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def step(users: int, seconds: float, tally: Tally) -> Step:
    ordered = sorted(tally.latencies)
    return Step(
        users=users,
        seconds=round(seconds, 3),
        answered=tally.answered,
        errors=tally.errors,
        rate=round(tally.answered / seconds, 3),
        p50=_milliseconds(ordered, 0.5),
        p95=_milliseconds(ordered, 0.95),
        p99=_milliseconds(ordered, 0.99),
    )


def _milliseconds(ordered: Sequence[float], part: float) -> float:
    """The smallest latency that this part of the calls did not exceed; 0 where there were none."""
    if not ordered:
        return 0.0
    return round(ordered[max(0, math.ceil(part * len(ordered)) - 1)] * 1000, 3)


def is_over(ask: Ask, steps: Sequence[Step]) -> str:
    """Why no further step is to be made; empty while there is no reason."""
    last = steps[-1]
    if not last.answered:
        return "no call was answered"
    if ask.max_per_minute and last.rate * 60 >= ask.max_per_minute:
        return f"{ask.max_per_minute} calls a minute were reached"
    if ask.max_milliseconds is not None and tail(ask, last) > ask.max_milliseconds:
        return f"P{ask.percentile * 100:.0f} was above {ask.max_milliseconds:g} ms"
    return "more users were not served faster" if ask.stop_when_flat and is_flat(steps) else ""


def tail(ask: Ask, found: Step) -> float:
    return found.p99 if ask.percentile > 0.97 else found.p95


def is_flat(steps: Sequence[Step]) -> bool:
    """Whether the last steps, with no fewer users each, gave next to nothing over the best before them."""
    before, last = steps[:-FLAT_STEPS], steps[-FLAT_STEPS:]
    if not before:
        return False
    best = max(each.rate for each in before)
    return all(each.rate < best * FLAT_GAIN and each.users >= before[-1].users for each in last)
