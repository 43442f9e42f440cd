"""Room in SQLite's own files for when the disk has none; the controller keeps it.

What fills a disk is mostly a job, and its room comes back when its end can be written down. Free pages in the database
and a write-ahead log that is long enough to be written over take what is written then without growing.
"""

import contextlib
from pathlib import Path

from sqlalchemy.exc import OperationalError

from clary.resources.database import Database

BYTES = 8 * 1024 * 1024
"""Of the log, and twice as much as there has to be of free pages. The log is written over after every 4 MB."""


def keep(database: Database) -> None:
    """Make what is missing of it, if there is room now. On PostgreSQL there is nothing to do. May be repeated."""
    if database.dialect == "sqlite" and not _is_there(database):
        with contextlib.suppress(OperationalError):
            _make(database)


def _make(database: Database) -> None:
    with database.write() as conn:
        conn.exec_driver_sql("CREATE TABLE IF NOT EXISTS reserve (filler BLOB)")
        conn.exec_driver_sql("INSERT INTO reserve VALUES (zeroblob(?))", (BYTES,))
    # Only now: pages that are made and freed in one transaction are never written.
    with database.write() as conn:
        conn.exec_driver_sql("DROP TABLE reserve")


def _is_there(database: Database) -> bool:
    with database.read() as conn:
        free, size = (conn.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("freelist_count", "page_size"))
    log = Path(f"{database.engine.url.database}-wal")
    return bool(free * size >= BYTES // 2 and log.exists() and log.stat().st_size >= BYTES)
