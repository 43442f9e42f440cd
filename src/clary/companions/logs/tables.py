"""Log groups and streams. Their events are in files (`store.py`); a file is found by the ids here, never by a name."""

from sqlalchemy import Boolean, Column, Double, Index, Integer, Table, Text

from clary.resources.tables import Word, metadata

groups = Table(
    "log_groups",
    metadata,
    Column("id", Word, primary_key=True),
    Column("account", Word, nullable=False),
    Column("region", Word, nullable=False),
    Column("name", Word, nullable=False),
    Column("created", Double, nullable=False),
    Column("retention", Integer),
    Column("tags", Text, nullable=False),
    Column("settings", Text, nullable=False),
    Index("log_groups_name", "account", "region", "name", unique=True),
)

streams = Table(
    "log_streams",
    metadata,
    Column("id", Word, primary_key=True),
    Column("group", Word, nullable=False),
    Column("name", Word, nullable=False),
    Column("created", Double, nullable=False),
    Column("ordered", Boolean, nullable=False),
    Index("log_streams_name", "group", "name", unique=True),
)
"""`ordered` falls when a client puts an event older than the last: such a file is scanned, not searched."""
