"""Schema migrations: each part of Clary has its own chain of files in `versions/`, `<part>_<four digits>.py`.

The file's name is its revision; the first of a chain has `down_revision = None`. `upgrade` runs at every start.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, inspect, text

VERSIONS = Path(__file__).parent / "versions"


class NewerDatabase(Exception):
    """The database was written by a newer Clary; it was not touched."""


def upgrade(engine: Engine) -> None:
    """Bring the database to this code's schema, once, however many processes start together.

    Raises `NewerDatabase`, before any write, when it holds a revision that this code does not know.
    """
    if _is_current(engine):
        return
    with _alone(engine):
        if not _is_current(engine):
            _migrate(engine)


def _is_current(engine: Engine) -> bool:
    known = {file.stem for file in VERSIONS.glob("*_[0-9]*.py")}
    found = _stored(engine)
    if found - known:
        raise NewerDatabase(f"{engine.url.render_as_string()} has unknown revisions {sorted(found - known)}")
    return found == {max(name for name in known if name[:-4] == part) for part in {name[:-4] for name in known}}


def _stored(engine: Engine) -> set[str]:
    with engine.connect() as conn:
        if not inspect(conn).has_table("alembic_version"):
            return set()
        return {row[0] for row in conn.execute(text("SELECT version_num FROM alembic_version"))}


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    if engine.dialect.name == "sqlite":
        with Path(f"{engine.url.database}.migrate").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        return
    with engine.connect() as conn:
        # Held by the session, so it ends with the process whatever happens.
        conn.execute(text("SELECT pg_advisory_lock(hashtext('clary migrations'))"))
        yield
        conn.execute(text("SELECT pg_advisory_unlock(hashtext('clary migrations'))"))


def _migrate(engine: Engine) -> None:
    # Imported here: a start that finds its schema current, the usual one, does not pay for alembic.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(VERSIONS.parent).replace("%", "%%"))
    with engine.execution_options(writes=True).begin() as conn:
        config.attributes["connection"] = conn
        command.upgrade(config, "heads")
