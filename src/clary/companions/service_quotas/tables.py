"""Quotas that were set, and the requests that set them. What was never set has its default and no row."""

from sqlalchemy import Column, Double, Index, Table, Text

from clary.resources.tables import Word, metadata

quotas = Table(
    "quotas",
    metadata,
    Column("account", Word, primary_key=True),
    Column("region", Word, primary_key=True),
    Column("code", Word, primary_key=True),
    Column("value", Double, nullable=False),
)

requests = Table(
    "quota_requests",
    metadata,
    Column("id", Word, primary_key=True),
    Column("account", Word, nullable=False),
    Column("region", Word, nullable=False),
    Column("code", Word, nullable=False),
    Column("desired", Double, nullable=False),
    Column("requester", Text, nullable=False),
    Column("at", Double, nullable=False),
    Index("quota_requests_at", "account", "region", "at", "id"),
)
