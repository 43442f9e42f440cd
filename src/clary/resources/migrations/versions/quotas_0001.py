"""Quotas that were set, and the requests that set them."""

import sqlalchemy as sa
from alembic import op

revision = "quotas_0001"
down_revision = None
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "quotas",
        sa.Column("account", WORD, primary_key=True),
        sa.Column("region", WORD, primary_key=True),
        sa.Column("code", WORD, primary_key=True),
        sa.Column("value", sa.Double, nullable=False),
    )
    op.create_table(
        "quota_requests",
        sa.Column("id", WORD, primary_key=True),
        sa.Column("account", WORD, nullable=False),
        sa.Column("region", WORD, nullable=False),
        sa.Column("code", WORD, nullable=False),
        sa.Column("desired", sa.Double, nullable=False),
        sa.Column("requester", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_index("quota_requests_at", "quota_requests", ["account", "region", "at", "id"])
