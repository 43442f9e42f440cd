"""The store: what is acknowledged is there, a version guards every write, names and ARNs are unique, accounts apart."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as changed

from clary.resources.query import ORDERS, Query
from clary.resources.records import Event, Record, new_id
from clary.resources.store import NameTaken, Stale, Store

from .conftest import Clock

NOW = 1_700_000_000.0


def record(name: str = "one", **fields: object) -> Record:
    known = {"account": "1", "region": "eu-west-1", "kind": "Thing", "created": NOW, "modified": NOW}
    return Record(id=new_id(), name=name, **known | fields)  # type: ignore[arg-type]


def names(store: Store, **query: object) -> Iterator[str]:
    asked = Query(**{"kind": "Thing", "account": "1", "region": "eu-west-1"} | query)  # type: ignore[arg-type]
    while True:
        page = store.page(asked)
        yield from (found.name for found in page.records)
        if page.next is None:
            return
        asked = replace(asked, after=page.next)


def test_a_record_comes_back_whole(store: Store) -> None:
    given = record(
        parent="group",
        arn="arn:aws:sagemaker:eu-west-1:1:thing/one",
        status="New",
        spec={"Text": "é\u0000\U0001f600", "Deep": [{"a": 1.5, "b": None, "c": True}], "Big": 2**62},
        state={"Since": NOW},
        due=NOW,
    )
    store.insert(given)
    assert store.by_id(given.id) == given
    assert store.get("Thing", "1", "eu-west-1", "one", "group") == given
    assert store.by_arn(given.arn.upper()) == given


def test_records_are_found_only_in_their_own_account_region_kind_and_parent(store: Store) -> None:
    store.insert(record())
    assert store.get("Thing", "2", "eu-west-1", "one") is None
    assert store.get("Thing", "1", "us-east-1", "one") is None
    assert store.get("Other", "1", "eu-west-1", "one") is None
    assert store.get("Thing", "1", "eu-west-1", "one", "group") is None
    assert store.get("Thing", "1", "eu-west-1", "ONE") is None


def test_text_that_a_database_cannot_hold_does_no_harm(store: Store) -> None:
    given = record("a\0b", status="New")
    store.insert(given)
    store.update(changed(given, status="Failed"), Event(record=given.id, at=NOW, status="Failed", message="x\0y"))
    assert store.events(given.id)[-1].message == "x\ufffdy"
    assert store.get("Thing", "1", "eu-west-1", "\0") is None
    assert list(names(store, name_contains="\0")) == ["a\ufffdb"]


def test_a_name_is_taken_once_and_free_after_deletion(store: Store) -> None:
    first = record(status="New")
    store.insert(first, tags={"k": "v"})
    with pytest.raises(NameTaken):
        store.insert(record(status="Other"), tags={"x": "y"})
    assert store.get("Thing", "1", "eu-west-1", "one") == first
    store.delete(first)
    again = record()
    store.insert(again)
    assert (store.by_id(first.id), store.events(first.id), store.tags(first.id)) == (None, [], {})
    assert store.get("Thing", "1", "eu-west-1", "one") == again


def test_names_that_share_an_arn_are_one_name(store: Store) -> None:
    store.insert(record("one", arn="arn:one"))
    with pytest.raises(NameTaken):
        store.insert(record("ONE", arn="arn:one"))
    store.insert(record("two"))
    store.insert(record("three"))


def test_events_are_kept_in_order(store: Store) -> None:
    given = record(status="New")
    store.insert(given)
    new = Event(record=given.id, at=NOW, status="New")
    assert store.events(given.id) == [new]
    store.reschedule([(given, NOW)])
    assert store.events(given.id) == [new]
    done = Event(record=given.id, at=NOW, status="Done", detail="All", message="It is done")
    written = store.update(changed(given, status="Done"), done)
    assert store.events(given.id) == [new, done]
    store.update(written, done)
    assert store.events(given.id) == [new, done, done]


def test_two_first_changes_at_once_tell_of_the_beginning_once(store: Store) -> None:
    for number in range(10):
        given = record(str(number), status="New")
        store.insert(given)
        start = threading.Barrier(2)

        def change(given: Record = given, start: threading.Barrier = start) -> None:
            start.wait(100)
            with suppress(Stale):
                store.update(changed(given, status="Done"), Event(record=given.id, at=NOW, status="Done"))

        threads = [threading.Thread(target=change) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [event.status for event in store.events(given.id)] == ["New", "Done"]


def test_a_write_with_an_old_version_changes_nothing(store: Store) -> None:
    given = record()
    store.insert(given)
    written = store.update(changed(given, status="A"))
    assert written.version == 1
    with pytest.raises(Stale):
        store.update(changed(given, status="B"), Event(record=given.id, at=NOW, status="B"))
    with pytest.raises(Stale):
        store.delete(given)
    assert store.by_id(given.id) == written
    assert store.events(given.id) == []


def test_ten_threads_that_count_in_one_record_lose_nothing(store: Store) -> None:
    given = record(state={"count": 0})
    store.insert(given)

    def count() -> None:
        for _ in range(20):
            while True:
                found = store.by_id(given.id)
                assert found
                try:
                    store.update(changed(found, state={"count": found.state["count"] + 1}))
                    break
                except Stale:
                    continue

    threads = [threading.Thread(target=count) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = store.by_id(given.id)
    assert found
    assert (found.state, found.version) == ({"count": 200}, 200)


def test_a_block_of_writes_is_one(store: Store) -> None:
    told: list[str] = []

    def half_way() -> None:
        with store.write():
            store.insert(record("a"))
            store.after_commit(told.append, "a")
            store.insert(record("b"))
            assert set(names(store)) == {"a", "b"}
            raise InterruptedError

    with pytest.raises(InterruptedError):
        half_way()
    assert list(names(store)) == []
    assert told == []
    with store.write():
        store.insert(record("c"))
        store.after_commit(told.append, "c")
        assert told == []
    assert (list(names(store)), told) == (["c"], ["c"])


def test_a_name_taken_inside_a_block_leaves_the_block_usable(store: Store) -> None:
    store.insert(record("a"))
    with store.write():
        with pytest.raises(NameTaken):
            store.insert(record("a"))
        store.insert(record("b"))
    assert set(names(store)) == {"a", "b"}


def test_due_records_come_longest_due_first(store: Store) -> None:
    late, soon, never, later = (record(n, due=d) for n, d in (("l", 1.0), ("s", 5.0), ("n", None), ("t", 9.0)))
    for each in (soon, late, never, later):
        store.insert(each)
    assert store.due(5.0) == [late.id, soon.id]
    assert store.due(5.0, limit=1) == [late.id]


def test_rescheduling_yields_to_a_change(store: Store) -> None:
    given = record(due=1.0)
    store.insert(given)
    store.reschedule([(given, 50.0)])
    assert store.by_id(given.id) == changed(given, due=50.0)
    written = store.update(changed(given, status="A", due=2.0))
    store.reschedule([(given, None)])
    assert store.by_id(given.id) == written


def test_version_numbers_are_never_given_twice(store: Store) -> None:
    owner = record()
    store.insert(owner)
    assert [store.next_number(owner.id, "Version") for _ in range(3)] == [1, 2, 3]
    assert store.next_number(owner.id, "Other") == 1
    store.delete(owner)
    assert store.next_number(owner.id, "Version") == 1


def test_a_secret_is_one_for_all(store: Store, store_url: str) -> None:
    other = Store(store_url)
    assert store.secret("a") == other.secret("a")
    assert len(store.secret("a")) == 32
    assert store.secret("a") != store.secret("b")
    other.close()


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", sorted(ORDERS))
def test_pages_follow_each_order_without_gap_or_double(store: Store, sort: str, descending: bool) -> None:
    """Times and statuses repeat on purpose: ties must not be lost between pages."""
    all_records = [
        record(f"n{(i * 7) % 20:02}", created=NOW + i % 3, modified=NOW + i % 4, status="AB"[i % 2]) for i in range(20)
    ]
    for each in all_records:
        store.insert(each)
    expected = sorted(all_records, key=lambda r: [getattr(r, c) for c in ORDERS[sort]], reverse=descending)
    assert list(names(store, sort=sort, descending=descending, limit=3)) == [r.name for r in expected]
    in_a = [r.name for r in expected if r.status == "A"]
    assert list(names(store, sort=sort, descending=descending, limit=3, status="A")) == in_a


def test_names_sort_by_bytes(store: Store) -> None:
    given = ["b", "B", "a-b", "ab", "é", "_", "Z"]
    for name in given:
        store.insert(record(name))
    assert list(names(store, sort="name", limit=2)) == sorted(given, key=str.encode)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"name_contains": "a%"}, ["a%b"]),
        ({"name_contains": "B"}, ["aB"]),
        ({"name_prefix": "a"}, ["a%b", "aB"]),
        ({"name": "c"}, ["c"]),
        ({"parent": "p"}, ["c"]),
        ({"status": "X"}, ["aB", "c"]),
        ({"created_after": NOW}, ["aB", "c"]),
        ({"created_before": NOW + 2}, ["a%b", "aB"]),
        ({"modified_after": NOW, "modified_before": NOW + 2}, ["aB"]),
        ({"status": "X", "name_contains": "a", "created_after": NOW - 1}, ["aB"]),
        ({"where": lambda r: "c" in r.spec}, ["c"]),
    ],
)
def test_filters(store: Store, query: dict[str, object], expected: list[str]) -> None:
    store.insert(record("a%b"))
    store.insert(record("aB", created=NOW + 1, modified=NOW + 1, status="X"))
    store.insert(record("c", created=NOW + 2, modified=NOW + 2, status="X", parent="p", spec={"c": 1}))
    assert list(names(store, sort="name", limit=1, **query)) == expected


def test_paging_on_while_records_come_and_go_shows_every_old_record_once(store: Store, clock: Clock) -> None:
    old = [record(f"old-{i:02}", created=NOW + i) for i in range(20)]
    for each in old:
        store.insert(each)
    seen = []
    for step, name in enumerate(names(store, limit=2)):
        seen.append(name)
        store.insert(record(f"new-{step:03}", created=NOW - 1 + (step % 3)))
        if step > 200:
            break
    assert [name for name in seen if name.startswith("old")] == [each.name for each in old]
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ({}, "records_created"),
        ({"sort": "modified", "descending": True}, "records_modified"),
        ({"sort": "name", "name_prefix": "a"}, "records_name"),
        ({"sort": "status"}, "records_status_created"),
        ({"status": "A", "sort": "modified"}, "records_status_modified"),
        ({"status": "A", "sort": "name"}, "records_status_name"),
        ({"parent": "group"}, "records_children"),
    ],
)
def test_a_page_is_a_walk_of_an_index(store: Store, asked: dict[str, Any], index: str) -> None:
    if store.database.dialect != "sqlite":
        pytest.skip("PostgreSQL plans by what the tables hold")
    said: list[str] = []
    with store.read() as conn:
        driver: Any = conn.connection.driver_connection
        driver.set_trace_callback(said.append)
        list(names(store, **asked))
        driver.set_trace_callback(None)
        (plan,) = conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {said[-1]}").all()
    assert f"USING INDEX {index} (" in plan[3]
