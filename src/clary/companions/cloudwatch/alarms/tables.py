"""What happened to alarms: kept longer than the alarms themselves, so apart from their records."""

from sqlalchemy import Column, Double, Index, Integer, Table, Text

from clary.resources.tables import Word, metadata

history = Table(
    "alarm_history",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("account", Word, nullable=False),
    Column("region", Word, nullable=False),
    Column("alarm", Word, nullable=False),
    Column("kind", Word, nullable=False),
    Column("at", Double, nullable=False),
    Column("type", Word, nullable=False),
    Column("summary", Word, nullable=False),
    Column("data", Text, nullable=False),
    Index("alarm_history_alarm", "account", "region", "alarm", "seq"),
    Index("alarm_history_at", "at"),
)
