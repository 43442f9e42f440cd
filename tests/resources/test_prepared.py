"""Statements on the driver's cursor do what SQLAlchemy's do."""

from typing import Any

import pytest
from sqlalchemy import bindparam, select
from sqlalchemy.exc import DBAPIError

from clary.resources.prepared import Prepared
from clary.resources.store import Store
from clary.resources.tables import tags

ADD = Prepared(tags.insert(), ["record", "key", "value"])
OF = select(tags.c.key, tags.c.value).where(tags.c.record == bindparam("record")).order_by(tags.c.key)


def test_values_go_in_and_come_out_by_name(store: Store) -> None:
    with store.write() as conn:
        for key in ("b", "a", "nul\0"):
            assert ADD.change(conn, {"value": "1", "record": "r", "key": key}) == 1
    with store.read() as conn:
        asked = {"record": "r", "unused": 1}
        assert Prepared(OF).all(conn, asked) == [("a", "1"), ("b", "1"), ("nul\ufffd", "1")]
        assert Prepared(OF).first(conn, asked) == ("a", "1")
        assert Prepared(OF).first(conn, {"record": "none"}) is None
        assert Prepared(OF.limit(2)).all(conn, asked) == [("a", "1"), ("b", "1")]


def test_a_transaction_that_raises_leaves_nothing(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.write() as conn:
        ADD.change(conn, {"record": "r", "key": "a", "value": "1"})
        raise ZeroDivisionError
    assert store.tags("r") == {}


def test_errors_are_sqlalchemys(store: Store) -> None:
    row = {"record": "r", "key": "a", "value": "1"}
    with pytest.raises(DBAPIError), store.write() as conn:
        ADD.change(conn, row)
        ADD.change(conn, row)


def test_a_broken_connection_costs_one_request(store: Store, store_url: str) -> None:
    if not store_url.startswith("postgresql"):
        pytest.skip("SQLite has no connections that break")
    read = Prepared(OF)
    with store.database.engine.connect() as first, store.database.engine.connect() as second:
        pids = [each.connection.driver_connection.info.backend_pid for each in (first, second)]  # type: ignore[union-attr]
    _end(store, pids)
    with pytest.raises(DBAPIError), store.read() as conn:
        read.all(conn, {"record": "r"})
    with store.read() as conn:
        assert read.all(conn, {"record": "r"}) == []


def _end(store: Store, pids: list[Any]) -> None:
    import psycopg

    with psycopg.connect(store.database.engine.url.set(drivername="postgresql").render_as_string(False)) as conn:
        for pid in pids:
            conn.execute("SELECT pg_terminate_backend(%s)", [pid])
