"""Uploads beside the reconciler."""

import threading

import pytest

from clary.capabilities.jobs.uploads import AT_ONCE, Uploads


class Work:
    """Something that lasts until it is let go."""

    def __init__(self) -> None:
        self.go, self.told = threading.Event(), threading.Event()
        self.runs = 0

    def __call__(self) -> None:
        self.runs += 1
        assert self.go.wait(100)


def test_a_work_runs_once_and_tells_when_it_is_done() -> None:
    uploads, work = Uploads(), Work()
    assert [uploads.done("a", work, work.told.set) for _ in range(3)] == [False, False, False]
    work.go.set()
    assert work.told.wait(100)
    assert uploads.done("a", work, work.told.set)
    assert work.runs == 1


def test_what_it_raises_reaches_who_asks_and_asking_again_tries_again() -> None:
    uploads, told = Uploads(), threading.Event()

    def work() -> None:
        raise ValueError("full")

    assert not uploads.done("a", work, told.set)
    assert told.wait(100)
    with pytest.raises(ValueError, match="full"):
        uploads.done("a", work, told.set)
    told.clear()
    assert not uploads.done("a", work, told.set)
    assert told.wait(100)


def test_only_so_many_at_once() -> None:
    uploads, works = Uploads(), [Work() for _ in range(AT_ONCE + 1)]
    for number, work in enumerate(works):
        uploads.done(str(number), work, work.told.set)
    for work in works[:AT_ONCE]:
        work.go.set()
    for work in works[:AT_ONCE]:
        assert work.told.wait(100)
    works[AT_ONCE].go.set()
    assert works[AT_ONCE].told.wait(100)
    assert [work.runs for work in works] == [1] * len(works)
