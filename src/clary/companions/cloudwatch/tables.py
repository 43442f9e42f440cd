"""Metrics and their samples."""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, Table, Text

from clary.resources.tables import Word, metadata

metrics = Table(
    "metrics",
    metadata,
    Column("id", Word, primary_key=True),
    Column("account", Word, nullable=False),
    Column("region", Word, nullable=False),
    Column("namespace", Word, nullable=False),
    Column("name", Word, nullable=False),
    Column("dimensions", Text, nullable=False),
    Column("active", BigInteger, nullable=False),
    Index("metrics_name", "account", "region", "namespace", "name", "id"),
)
"""`id` is a digest of the other columns; `active` is about when it last got a sample, in milliseconds."""

samples = Table(
    "metric_samples",
    metadata,
    Column("metric", Word, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("unit", Word, nullable=False),
    Column("count", Double, nullable=False),
    Column("total", Double, nullable=False),
    Column("low", Double, nullable=False),
    Column("high", Double, nullable=False),
    Column("rolled", Integer, nullable=False),
    Index("metric_samples_metric", "metric", "at"),
    Index("metric_samples_at", "at"),
)
"""A value is a sample of count 1 whose low, high and total are equal. `rolled` is the cell in seconds of a roll-up."""
