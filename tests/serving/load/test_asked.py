"""When a load test is over, and what a step says."""

from array import array
from dataclasses import replace

import pytest

from clary.serving.load.asked import Ask, Step, Tally, is_over, read, step

ASK = Ask("http://h:1", "/p", "r", "/x", "text/csv", ((1, 1.0),))


def steps(*rates: float, **members: float) -> list[Step]:
    usual = {"seconds": 1.0, "answered": 10, "errors": 0, "p50": 1.0, "p95": 2.0, "p99": 3.0}
    return [Step(users=at + 1, rate=rate, **{**usual, **members}) for at, rate in enumerate(rates)]  # type: ignore[arg-type]


def test_step_has_exact_percentiles() -> None:
    tally = Tally(array("d", [number / 1000 for number in range(100, 0, -1)]), answered=100, errors=2)
    assert step(3, 2.0, tally) == Step(3, 2.0, 100, 2, 50.0, 50.0, 95.0, 99.0)
    assert step(1, 1.0, Tally()) == Step(1, 1.0, 0, 0, 0.0, 0.0, 0.0, 0.0)


def test_ask_is_read_from_json() -> None:
    given = {"url": "http://h:1", "path": "/p", "region": "r", "payloads": "/x", "content_type": "text/csv"}
    assert read({**given, "steps": [[1, 1]]}) == ASK


@pytest.mark.parametrize(
    ("found", "changed", "over"),
    [
        (steps(10, 20, 30), {}, ""),
        (steps(10, answered=0), {}, "no call was answered"),
        (steps(10), {"max_per_minute": 600}, "600 calls a minute were reached"),
        (steps(10), {"max_per_minute": 601}, ""),
        (steps(10), {"max_milliseconds": 1.9}, "P95 was above 1.9 ms"),
        (steps(10), {"max_milliseconds": 2.0}, ""),
        (steps(10), {"max_milliseconds": 2.5, "percentile": 0.99}, "P99 was above 2.5 ms"),
        (steps(10, 10.1), {}, ""),
        (steps(10, 20, 20.5), {}, ""),
        (steps(10, 20, 20.5, 19), {}, "more users were not served faster"),
        (steps(10, 20, 20.5, 19), {"stop_when_flat": False}, ""),
        (steps(10, 20, 20.5, 21), {}, ""),
    ],
)
def test_end_of_a_test(found: list[Step], changed: dict[str, float], over: str) -> None:
    assert is_over(replace(ASK, **changed), found) == over  # type: ignore[arg-type]
