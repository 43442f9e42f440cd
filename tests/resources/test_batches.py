"""Short writes of the event loop: what waits together is one commit, and each stands or falls by itself."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from clary.resources import batches
from clary.resources.records import Record, new_id
from clary.resources.store import NameTaken, Store


def record(name: str) -> Record:
    now = 1_700_000_000.0
    return Record(id=new_id(), account="1", region="r", kind="Thing", name=name, created=now, modified=now)


def names(store: Store) -> list[str]:
    return [name for name in "abcd" if store.get("Thing", "1", "r", name)]


def together(store: Store, *acts: Callable[[], Any]) -> list[Any]:
    """Handed over at once; what became of each."""

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*map(store.committed, acts), return_exceptions=True)

    return asyncio.run(all_of_them())


def adding(store: Store, name: str) -> Callable[[], str]:
    def act() -> str:
        store.insert(record(name))
        return name

    return act


def commits(store: Store) -> list[int]:
    """Grows by one with each commit."""
    seen: list[int] = []
    event.listen(store.database.engine, "commit", lambda _: seen.append(1))
    return seen


def test_what_waits_together_is_one_commit(store: Store) -> None:
    seen = commits(store)
    acts = [adding(store, name) for name in "abcd"]
    assert together(store, *acts) == list("abcd")
    assert names(store) == list("abcd")
    if store.database.dialect == "sqlite":
        # The thread may begin with the first before the others have come.
        assert len(seen) <= 2


def test_what_raises_is_undone_alone(store: Store) -> None:
    told: list[str] = []

    def half_way() -> None:
        with store.write():
            store.insert(record("b"))
            store.after_commit(told.append, "b")
            raise InterruptedError

    def whole() -> None:
        store.insert(record("c"))
        store.after_commit(told.append, "c")

    outcomes = together(store, adding(store, "a"), half_way, adding(store, "a"), adding(store, "d"))
    assert [type(each) for each in outcomes] == [str, InterruptedError, NameTaken, str]
    assert together(store, whole) == [None]
    assert (names(store), told) == (["a", "c", "d"], ["c"])


def test_the_next_commit_waits_for_the_writers_of_the_last(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    if store.database.dialect != "sqlite":
        pytest.skip("PostgreSQL runs each in a transaction of its own")
    monkeypatch.setattr(batches, "GATHER_SECONDS", 0.3)

    async def write(writer: str) -> None:
        for number in range(40):
            await store.committed(adding(store, f"{writer}{number}"))

    async def write_all() -> None:
        await asyncio.gather(*map(write, "abcd"))

    seen = commits(store)
    asyncio.run(write_all())
    # All four in each but the first and the last; those that just wait for each other would need twice as many.
    assert 40 <= len(seen) < 60


def test_those_beside_a_write_that_is_undone_are_done_again(store: Store) -> None:
    if store.database.dialect != "sqlite":
        pytest.skip("PostgreSQL runs each in a transaction of its own")
    runs: list[str] = []
    told: list[str] = []

    def first() -> None:
        runs.append("a")
        store.insert(record("a"))
        store.after_commit(told.append, "a")

    def half_way() -> None:
        runs.append("b")
        store.insert(record("b"))
        raise InterruptedError

    def refused() -> None:
        runs.append("c")
        raise InterruptedError

    async def hand_over() -> None:
        all_there = threading.Event()
        acts: list[Callable[[], Any]] = [all_there.wait, first, half_way, refused]
        writes = [asyncio.create_task(store.committed(act)) for act in acts]
        await asyncio.sleep(0)
        all_there.set()
        await asyncio.gather(*writes, return_exceptions=True)

    asyncio.run(hand_over())
    assert (runs, told, names(store)) == (["a", "b", "a", "b", "c"], ["a"], ["a"])


def test_a_commit_that_fails_fails_all_in_it(store: Store) -> None:
    def refuse(_: object) -> None:
        raise OSError("disk full")

    engine = store.database.engine
    event.listen(engine, "commit", refuse)
    outcomes = together(store, *(adding(store, name) for name in "abc"))
    event.remove(engine, "commit", refuse)
    assert [type(each) for each in outcomes] == [OSError] * 3
    assert names(store) == []
    assert together(store, adding(store, "d")) == ["d"]


def test_nothing_is_kept_when_sqlite_undoes_everything(store: Store) -> None:
    """As it does by itself when the disk is full: what comes after must not be committed one by one."""
    if store.database.dialect != "sqlite":
        pytest.skip("PostgreSQL runs each in a transaction of its own")

    def undo_everything() -> None:
        with store.write() as conn:
            conn.exec_driver_sql("ROLLBACK")
            raise InterruptedError

    first, second, third = together(store, adding(store, "a"), undo_everything, adding(store, "b"))
    assert isinstance(second, InterruptedError)
    kept = [name for name, outcome in (("a", first), ("b", third)) if isinstance(outcome, str)]
    assert all(isinstance(each, (str, DBAPIError, Exception)) for each in (first, third))
    assert names(store) == kept
    assert together(store, adding(store, "c")) == ["c"]


def test_a_caller_that_went_away_stops_nobody(store: Store) -> None:
    async def leave() -> str:
        gone = asyncio.create_task(store.committed(adding(store, "a")))
        await asyncio.sleep(0)
        gone.cancel()
        other: str = await store.committed(adding(store, "b"))
        return other

    assert asyncio.run(leave()) == "b"
    assert "b" in names(store)


def test_a_loop_may_end_and_another_begin(store: Store) -> None:
    assert together(store, adding(store, "a")) == ["a"]
    assert together(store, adding(store, "b")) == ["b"]
