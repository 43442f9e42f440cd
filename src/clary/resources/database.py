"""Connections and transactions of the one database, SQLite or PostgreSQL. `Store` is built on it."""

import importlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, func, literal, select
from sqlalchemy.engine import make_url

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
        self._begin = Writer(self._writer).write if sqlite else self._writer.begin
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
        after: list[Callable[[], None]] = []
        with self._begin() as conn:
            self._take(conn, lock)
            self._mine.conn, self._mine.after = conn, after
            try:
                yield conn
            finally:
                self._mine.conn = None
        for call in after:
            call()

    def insert(self, table: Table) -> Any:
        """The dialect's own INSERT, which knows `on_conflict`."""
        # Imported by name: a process pays for the dialect that it uses.
        return importlib.import_module(f"sqlalchemy.dialects.{self.dialect}").insert(table)

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call when the transaction of this thread has committed; at once where there is none."""
        if self._joined() is None:
            call()
        else:
            self._mine.after.append(call)

    def close(self) -> None:
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
    engine = create_engine(parsed, pool_size=16, max_overflow=48, connect_args={"isolation_level": None})
    event.listen(engine, "connect", _pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _pragmas(connection: Any, _: Any) -> None:
    for pragma in (
        f"busy_timeout={BUSY_MILLISECONDS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "cache_size=-16000",
        "temp_store=MEMORY",
        "journal_size_limit=67108864",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(conn: Connection) -> None:
    if conn.get_execution_options().get("writes"):
        # Takes the write lock now: a transaction that first reads and then writes cannot be refused half-way.
        conn.exec_driver_sql("BEGIN IMMEDIATE")
