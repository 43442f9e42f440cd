"""Writes of several threads that share a commit: each is durable or undone by itself."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, event, text
from tests.servers import wait_until

from clary.resources.commits import Writer


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = create_engine(f"sqlite:///{tmp_path}/x.db", connect_args={"isolation_level": None})
    event.listen(made, "begin", lambda conn: conn.exec_driver_sql("BEGIN IMMEDIATE"))
    with made.begin() as conn:
        conn.exec_driver_sql("CREATE TABLE numbers (value INTEGER PRIMARY KEY)")
    yield made
    made.dispose()


class Commits:
    """Counts the commits of an engine."""

    def __init__(self, engine: Engine) -> None:
        self.count = 0
        event.listen(engine, "commit", self._add)

    def _add(self, _: object) -> None:
        self.count += 1


def values(engine: Engine) -> list[int]:
    with engine.connect() as conn:
        return [row[0] for row in conn.exec_driver_sql("SELECT value FROM numbers ORDER BY value")]


def write(writer: Writer, value: int) -> None:
    with writer.write() as conn:
        conn.execute(text("INSERT INTO numbers VALUES (:value)"), {"value": value})


def held(writer: Writer, engine: Engine, others: list[int], *, fail: bool = False) -> list[BaseException | None]:
    """Write 0 while `others` wait for their turn; what became of each of them."""
    with ThreadPoolExecutor(len(others)) as pool:
        try:
            with writer.write() as conn:
                conn.exec_driver_sql("INSERT INTO numbers VALUES (0)")
                waiting = [pool.submit(write, writer, value) for value in others]
                wait_until(lambda: writer.waiting == len(others))
                if fail:
                    raise KeyError("no")
        except KeyError:
            pass
        return [each.exception(100) for each in waiting]


def test_writes_that_wait_share_one_commit(engine: Engine) -> None:
    writer, commits = Writer(engine), Commits(engine)
    assert held(writer, engine, [1, 2, 3]) == [None, None, None]
    assert (values(engine), commits.count) == ([0, 1, 2, 3], 1)


def test_what_raises_is_undone_alone(engine: Engine) -> None:
    writer = Writer(engine)
    outcomes = held(writer, engine, [1, 1, 2])
    assert sorted(type(each).__name__ for each in outcomes) == ["IntegrityError", "NoneType", "NoneType"]
    assert values(engine) == [0, 1, 2]


def test_the_first_one_may_raise(engine: Engine) -> None:
    writer = Writer(engine)
    assert held(writer, engine, [1, 2], fail=True) == [None, None]
    assert values(engine) == [1, 2]


def test_a_commit_that_fails_fails_all_in_it(engine: Engine) -> None:
    writer = Writer(engine)

    def refuse(_: object) -> None:
        raise OSError("disk full")

    event.listen(engine, "commit", refuse)
    with pytest.raises(OSError, match="disk full"):
        held(writer, engine, [1, 2])
    event.remove(engine, "commit", refuse)
    assert values(engine) == []
    write(writer, 5)
    assert values(engine) == [5]


def test_nobody_waits_for_a_thread_that_gave_up(engine: Engine) -> None:
    """A thread interrupted while it waits leaves the commit to whoever wrote last."""
    writer = Writer(engine)
    done = threading.Event()

    def alone() -> None:
        write(writer, 1)
        done.set()

    thread = threading.Thread(target=alone)
    writer.waiting += 1
    thread.start()
    assert done.wait(100)
    thread.join()
    writer.waiting -= 1
    assert values(engine) == [1]
