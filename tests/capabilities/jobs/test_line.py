"""The line for room: who may try, and who is called next."""

from typing import Any

import pytest
from tests.capabilities.training.records import job

from clary.capabilities.jobs.line import Line
from clary.resources.records import Record

ONE, TWO = (1, 0, ()), (2, 0, ())


def made(name: str, created: float) -> Record:
    record = job(name=name)
    record.id, record.created = name, created
    return record


A, B, C, D = (made(name, at) for name, at in (("a", 1.0), ("b", 2.0), ("c", 3.0), ("d", 3.0)))


@pytest.fixture
def line() -> Line:
    """`c` came first, though it was made last; `b` needs more than the others."""
    line = Line()
    for record, need in ((C, ONE), (A, ONE), (B, TWO), (C, ONE)):
        line.join(record, need)
    return line


@pytest.mark.parametrize(
    ("record", "need", "expected"), [(A, ONE, 0), (C, ONE, 1), (D, ONE, 2), (B, TWO, 0), (D, TWO, 1)]
)
def test_those_made_before_with_the_same_need_go_first(line: Line, record: Record, need: Any, expected: int) -> None:
    assert line.before(record, need) == expected


def test_the_first_of_each_need_is_called(line: Line) -> None:
    assert line.heads() == ["a", "b"]
    assert (line.leave(A), line.leave(A)) == (True, False)
    assert line.heads() == ["b", "c"]
    assert (line.leave(B), line.leave(C), line.heads()) == (True, True, [])
