"""SQLite's one writer, shared by the threads of a process: writes that wait for each other anyway share a commit.

Making a commit durable costs more than most writes. So a thread that has written while another one waits leaves the
transaction open for it, and the last one commits for all. Nobody returns before that; what raises undoes its own part.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, RootTransaction

MOST = 32
"""Writes in one commit: other processes wait for the same lock."""
HANDOVER_SECONDS = 0.05
"""After this the thread that was to commit for all is taken to have been interrupted."""


@dataclass(eq=False, slots=True)
class Batch:
    """One transaction and the writes in it."""

    conn: Connection
    transaction: RootTransaction
    members: int = 0
    error: BaseException | None = None
    """What undid all of it."""
    ended: threading.Event = field(default_factory=threading.Event)

    def savepoint(self, statement: str) -> None:
        driver: Any = self.conn.connection.driver_connection
        driver.execute(statement)


class Writer:
    """`engine` begins transactions that hold SQLite's write lock from their first line."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._gate = threading.Lock()
        self._counting = threading.Lock()
        self.waiting = 0
        """Threads that are not in yet."""
        self._open: Batch | None = None
        self._conn: Connection | None = None
        """Kept: SQLite's cache is a connection's own, and worth nothing once another one has written."""

    def close(self) -> None:
        if self._conn is not None:
            self._conn.close()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Alone from the first line to the last; durable afterwards. Raises what kept the commit from being one."""
        with self._turn():
            batch = self._open or self._begin()
            try:
                with _part(batch):
                    yield batch.conn
            finally:
                if batch.error or not self.waiting or batch.members >= MOST:
                    self._end(batch)
        while not batch.ended.wait(HANDOVER_SECONDS):
            self._end_abandoned(batch)
        if batch.error:
            raise batch.error

    @contextmanager
    def _turn(self) -> Iterator[None]:
        self._count(1)
        try:
            self._gate.acquire()
        finally:
            self._count(-1)
        try:
            yield
        finally:
            self._gate.release()

    def _count(self, change: int) -> None:
        with self._counting:
            self.waiting += change

    def _begin(self) -> Batch:
        conn = self._conn = self._conn or self._engine.connect()
        try:
            self._open = Batch(conn, conn.begin())
        except BaseException:
            self._drop(conn)
            raise
        return self._open

    def _end(self, batch: Batch) -> None:
        self._open = None
        try:
            if batch.error is None:
                batch.transaction.commit()
            else:
                batch.transaction.rollback()
        except BaseException as error:
            batch.error = error
            self._drop(batch.conn)
        finally:
            batch.ended.set()

    def _drop(self, conn: Connection) -> None:
        """Nobody knows in which state it is."""
        self._conn = None
        conn.invalidate()
        conn.close()

    def _end_abandoned(self, batch: Batch) -> None:
        with self._gate:
            if self._open is batch:
                self._end(batch)


@contextmanager
def _part(batch: Batch) -> Iterator[None]:
    """One write: undone alone when it raises, unless it is the only one or SQLite has undone everything."""
    batch.members += 1
    if batch.members > 1:
        batch.savepoint("SAVEPOINT part")
    try:
        yield
    except BaseException as error:
        try:
            if batch.members == 1:
                raise
            batch.savepoint("ROLLBACK TO part")
            batch.savepoint("RELEASE part")
        except BaseException:
            batch.error = error
        raise
    if batch.members > 1:
        batch.savepoint("RELEASE part")
