"""Migrations: every start leaves the schema that the code declares, or the database as it was."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from clary.resources.database import Database
from clary.resources.migrations import VERSIONS, NewerDatabase
from clary.resources.store import Store
from clary.resources.tables import metadata

OPEN = "import sys; from clary.resources.store import Store; Store(sys.argv[1]).close()"


def test_the_migrated_schema_is_the_declared_one(empty_url: str) -> None:
    """Of the tables imported here; other parts' own tables are not known to this test."""
    store = Store(empty_url)
    with store.read() as conn:
        options = {"include_object": lambda o, name, kind, reflected, to: kind != "table" or name in metadata.tables}
        context = MigrationContext.configure(conn, opts=options)
        assert compare_metadata(context, metadata) == []
    store.close()


def test_processes_that_start_together_migrate_once(empty_url: str) -> None:
    starts = [subprocess.Popen([sys.executable, "-c", OPEN, empty_url]) for _ in range(3)]
    assert [start.wait(100) for start in starts] == [0, 0, 0]
    database = Database(empty_url)
    with database.read() as conn:
        stored = {row[0] for row in conn.execute(text("SELECT version_num FROM alembic_version"))}
    database.close()
    assert stored <= {file.stem for file in VERSIONS.glob("*.py")}
    assert "resources_0001" in stored


def test_a_newer_database_is_refused_untouched(empty_url: str) -> None:
    database = Database(empty_url)
    with database.write() as conn:
        conn.execute(text("INSERT INTO alembic_version VALUES ('resources_9999')"))
    database.close()
    with pytest.raises(NewerDatabase, match="resources_9999"):
        Store(empty_url)
    engine = create_engine(database.engine.url)
    with engine.connect() as conn:
        assert "records" in inspect(conn).get_table_names()
        assert "resources_9999" in conn.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    engine.dispose()


def test_every_migration_file_is_named_as_its_revision() -> None:
    files = [file for file in VERSIONS.glob("*.py") if file.name != "__init__.py"]
    assert [file.name for file in files if f'revision = "{file.stem}"' not in Path(file).read_text()] == []
