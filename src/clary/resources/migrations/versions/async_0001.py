"""The queue of asynchronous endpoints."""

import sqlalchemy as sa
from alembic import op

revision = "async_0001"
down_revision = None
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "async_requests",
        sa.Column("id", WORD, primary_key=True),
        sa.Column("owner", WORD, nullable=False),
        sa.Column("phase", WORD, nullable=False),
        sa.Column("received", sa.Double, nullable=False),
        sa.Column("expires", sa.Double, nullable=False),
        sa.Column("due", sa.Double, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("ticket", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary),
        sa.Column("answer", sa.Text),
    )
    op.create_index("async_requests_line", "async_requests", ["owner", "phase", "received", "id"])
    op.create_index("async_requests_expires", "async_requests", ["phase", "expires"])
    op.create_index("async_requests_due", "async_requests", ["phase", "due"])
