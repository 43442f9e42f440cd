"""The queue of asynchronous endpoints: one row for each accepted request that has not ended yet."""

from sqlalchemy import Column, Double, Index, Integer, LargeBinary, Table, Text

from clary.resources.tables import Word, metadata

requests = Table(
    "async_requests",
    metadata,
    Column("id", Word, primary_key=True),
    Column("owner", Word, nullable=False),
    Column("phase", Word, nullable=False),
    Column("received", Double, nullable=False),
    Column("expires", Double, nullable=False),
    Column("due", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("ticket", Text, nullable=False),
    Column("body", LargeBinary),
    Column("answer", Text),
    Index("async_requests_line", "owner", "phase", "received", "id"),
    Index("async_requests_expires", "phase", "expires"),
    Index("async_requests_due", "phase", "due"),
)
"""`owner` is the record id of the endpoint: another one that is later called the same has a queue of its own."""
