"""The tables every resource shares. Other parts declare theirs on `metadata`, in a `tables.py` of their own.

Each table comes to a database by a migration (`migrations/versions/<part>_<number>.py`), never by `create_all`.
"""

from typing import Any

from sqlalchemy import Column, Dialect, Double, Index, Integer, LargeBinary, MetaData, Table, Text, TypeDecorator, text
from sqlalchemy.types import TypeEngine

metadata = MetaData()


class _Word(TypeDecorator[str]):
    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return Text(collation="C") if dialect.name == "postgresql" else Text()

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return value.replace("\0", "\ufffd") if value and "\0" in value else value


Word = _Word()
"""Text that sorts by bytes in both databases. NUL becomes U+FFFD: PostgreSQL cannot hold it, hostile input can."""

SCOPE = ("account", "region", "kind")

records = Table(
    "records",
    metadata,
    Column("id", Word, primary_key=True),
    Column("account", Word, nullable=False),
    Column("region", Word, nullable=False),
    Column("kind", Word, nullable=False),
    Column("name", Word, nullable=False),
    Column("parent", Word, nullable=False),
    Column("arn", Word, nullable=False),
    Column("status", Word, nullable=False),
    Column("spec", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("modified", Double, nullable=False),
    Column("version", Integer, nullable=False),
    Column("due", Double),
    # One index for each order in which a list can be asked for: a page is a walk of its index, never a sort.
    Index("records_name", *SCOPE, "name", "parent", unique=True),
    Index("records_created", *SCOPE, "created", "id", "name"),
    Index("records_modified", *SCOPE, "modified", "id", "name"),
    Index("records_status_created", *SCOPE, "status", "created", "id"),
    Index("records_status_modified", *SCOPE, "status", "modified", "id"),
    Index("records_status_name", *SCOPE, "status", "name", "parent"),
    # Migrations give PostgreSQL the same conditions; `postgresql_where` here would load its dialect in every process.
    Index("records_arn", "arn", unique=True, sqlite_where=text("arn <> ''")),
    Index("records_children", *SCOPE, "parent", "created", "id", sqlite_where=text("parent <> ''")),
    Index("records_due", "due", sqlite_where=text("due IS NOT NULL")),
)

events = Table(
    "events",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("record", Word, nullable=False),
    Column("at", Double, nullable=False),
    Column("status", Word, nullable=False),
    Column("detail", Word, nullable=False),
    Column("message", Word, nullable=False),
    Index("events_record", "record", "seq"),
)

tags = Table(
    "tags",
    metadata,
    Column("record", Word, primary_key=True),
    Column("key", Word, primary_key=True),
    Column("value", Text, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("account", Word, primary_key=True),
    Column("region", Word, primary_key=True),
    Column("operation", Word, primary_key=True),
    Column("token", Word, primary_key=True),
    Column("digest", Word, nullable=False),
    Column("answer", Text, nullable=False),
    Column("at", Double, nullable=False),
    Index("tokens_at", "at"),
)
"""Idempotency tokens of the last day, with what was answered to them."""

counters = Table(
    "counters",
    metadata,
    Column("owner", Word, primary_key=True),
    Column("kind", Word, primary_key=True),
    Column("value", Integer, nullable=False),
)
"""The last version number given under a record: a deleted version's number is not given again."""

secrets = Table(
    "secrets",
    metadata,
    Column("name", Word, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
"""Random keys made at first start and shared by every process of one database, e.g. the one that seals page tokens."""

leader = Table(
    "leader",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("machine", Word, nullable=False),
    Column("url", Word, nullable=False),
    Column("key", Word, nullable=False),
    Column("objects", Word, nullable=False),
)
"""One row: of the servers of this database, the one that led last (`leader.py`)."""
