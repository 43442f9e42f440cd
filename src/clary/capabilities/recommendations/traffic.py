"""A traffic pattern as steps: so many users for so many seconds. Pure."""

from collections.abc import Iterator
from typing import Any

DEFAULT_STEPS = tuple((users, 8.0) for users in (1, 2, 4, 8, 16, 32))
"""For a job that names no pattern; it ends earlier where more users are not served faster."""
LONGEST_SECONDS = 7200
"""Of a job that does not say."""


def steps(config: dict[str, Any]) -> list[tuple[int, float]]:
    pattern = config.get("TrafficPattern", {})
    if stairs := pattern.get("Stairs"):
        each = float(stairs.get("DurationInSeconds", 60))
        return [(stairs.get("UsersPerStep", 1) * number, each) for number in range(1, stairs["NumberOfSteps"] + 1)]
    if phases := pattern.get("Phases"):
        return [step for phase in phases for step in _phase(phase)]
    return list(DEFAULT_STEPS)


def _phase(phase: dict[str, Any]) -> Iterator[tuple[int, float]]:
    """SpawnRate users come in a minute, evenly; no step is shorter than a second, so several may come at once."""
    left = float(phase.get("DurationInSeconds", 120))
    rate, users = phase.get("SpawnRate", 0), phase.get("InitialNumberOfUsers", 1)
    if not rate:
        yield users, left
        return
    come = max(1, round(rate / 60))
    apart = come * 60 / rate
    while left > 0:
        yield users, min(apart, left)
        users, left = users + come, left - apart
