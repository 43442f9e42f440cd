"""Connections and transactions of the one database, SQLite or PostgreSQL. `Store` is built on it."""

import asyncio
import importlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, func, literal, select
from sqlalchemy.engine import make_url

from clary.resources.batches import Batches, Spoiled
from clary.resources.commits import Writer
from clary.resources.migrations import upgrade
from clary.resources.tables import Word

BUSY_MILLISECONDS = 30_000
"""How long a write waits for another process's write before it fails."""


class Database:
    """Opens the database and brings its schema up to date.

    A transaction belongs to the thread that opened it: a `write` or `read` inside a `write` joins it, so several
    calls of the store can be one commit. Therefore nothing is awaited inside one.
    """

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self.dialect = self.engine.dialect.name
        try:
            upgrade(self.engine)
        except BaseException:
            self.engine.dispose()
            raise
        sqlite = self.dialect == "sqlite"
        self._reader = self.engine if sqlite else self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._writer = self.engine.execution_options(writes=True)
        # SQLite has one writer; threads queue here, where waiting costs nothing, rather than in its sleeping retries.
        self._alone = Writer(self._writer) if sqlite else None
        self._begin = self._alone.write if self._alone else self._writer.begin
        self._batches = Batches(self.write, self.part) if sqlite else None
        self._mine = threading.local()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading; each statement sees all that was committed before it. Inside another, the same."""
        joined = self._joined() or getattr(self._mine, "reading", None)
        if joined is not None:
            yield joined
            return
        with self._reader.connect() as conn:
            self._mine.reading = conn
            try:
                yield conn
            finally:
                self._mine.reading = None

    @contextmanager
    def write(self, lock: str = "") -> Iterator[Connection]:
        """A transaction, durable when the block ends, rolled back when it raises.

        On SQLite it is alone from its first line. On PostgreSQL only holders of the same `lock` text, and writers of
        the same rows, wait for each other: give a lock where a decision rests on rows that were read.
        """
        joined = self._joined()
        if joined is not None:
            self._take(joined, lock)
            yield joined
            return
        after: list[tuple[Callable[..., None], str]] = []
        with self._begin() as conn:
            self._take(conn, lock)
            self._mine.conn, self._mine.after = conn, after
            try:
                yield conn
            finally:
                self._mine.conn = None
        for call in dict.fromkeys(call for call, _ in after):
            call(*(what for each, what in after if each == call))

    @contextmanager
    def part(self) -> Iterator[None]:
        """One of several writes in a `write`, of SQLite. Raises `Spoiled` if it fails and has left changes behind.

        Without a savepoint, for which SQLite would copy each page that this part and an earlier one change.
        """
        driver: Any = self._mine.conn.connection.driver_connection
        asked, changes = len(self._mine.after), driver.total_changes
        try:
            yield
        except BaseException as error:
            del self._mine.after[asked:]
            if driver.total_changes != changes or not driver.in_transaction:
                raise Spoiled from error
            raise
        if not driver.in_transaction:
            raise Spoiled

    async def committed(self, act: Callable[[], Any]) -> Any:
        """For the event loop: what `act` gives or raises, told when what it wrote is durable; undone if it raises.

        `act` must be short: on SQLite it runs inside a transaction that it shares with others.
        """
        return await (self._batches.committed(act) if self._batches else asyncio.to_thread(act))

    def insert(self, table: Table) -> Any:
        """The dialect's own INSERT, which knows `on_conflict`."""
        # Imported by name: a process pays for the dialect that it uses.
        return importlib.import_module(f"sqlalchemy.dialects.{self.dialect}").insert(table)

    def after_commit(self, call: Callable[..., None], what: str) -> None:
        """Call when the transaction of this thread has committed, once with all that it is for; now without one."""
        if self._joined() is None:
            call(what)
        else:
            self._mine.after.append((call, what))

    def close(self) -> None:
        if self._batches:
            self._batches.close()
        if self._alone:
            self._alone.close()
        self.engine.dispose()

    def _joined(self) -> Connection | None:
        return getattr(self._mine, "conn", None)

    def _take(self, conn: Connection, lock: str) -> None:
        if lock and self.dialect == "postgresql":
            conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(literal(lock, Word), 0))))


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        return create_engine(parsed.set(drivername="postgresql+psycopg"), pool_size=16, max_overflow=48)
    # isolation_level None: the driver opens no transaction by itself, `_begin` does.
    fresh = {"isolation_level": None}
    # The connection used last has the warmest cache.
    engine = create_engine(parsed, pool_size=16, max_overflow=48, pool_use_lifo=True, connect_args=fresh)
    event.listen(engine, "connect", _pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _pragmas(connection: Any, _: Any) -> None:
    connection.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")
    _log_ahead(connection)
    for pragma in (
        "synchronous=FULL",
        "cache_size=-16000",
        "temp_store=MEMORY",
        "journal_size_limit=67108864",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _log_ahead(connection: Any) -> None:
    """Processes that open a new database at once may refuse each other this, `busy_timeout` or not."""
    end = time.monotonic() + BUSY_MILLISECONDS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def _begin(conn: Connection) -> None:
    if conn.get_execution_options().get("writes"):
        # Takes the write lock now: a transaction that first reads and then writes cannot be refused half-way.
        conn.exec_driver_sql("BEGIN IMMEDIATE")
