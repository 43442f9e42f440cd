"""Metrics and their samples."""

import sqlalchemy as sa
from alembic import op

revision = "cloudwatch_0001"
down_revision = None
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "metrics",
        sa.Column("id", WORD, primary_key=True),
        sa.Column("account", WORD, nullable=False),
        sa.Column("region", WORD, nullable=False),
        sa.Column("namespace", WORD, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("dimensions", sa.Text, nullable=False),
        sa.Column("active", sa.BigInteger, nullable=False),
    )
    op.create_index("metrics_name", "metrics", ["account", "region", "namespace", "name", "id"])
    op.create_table(
        "metric_samples",
        sa.Column("metric", WORD, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("unit", WORD, nullable=False),
        sa.Column("count", sa.Double, nullable=False),
        sa.Column("total", sa.Double, nullable=False),
        sa.Column("low", sa.Double, nullable=False),
        sa.Column("high", sa.Double, nullable=False),
        sa.Column("rolled", sa.Integer, nullable=False),
    )
    op.create_index("metric_samples_metric", "metric_samples", ["metric", "at"])
    op.create_index("metric_samples_at", "metric_samples", ["at"])
