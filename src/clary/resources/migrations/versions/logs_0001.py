"""Log groups and streams."""

import sqlalchemy as sa
from alembic import op

revision = "logs_0001"
down_revision = None
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "log_groups",
        sa.Column("id", WORD, primary_key=True),
        sa.Column("account", WORD, nullable=False),
        sa.Column("region", WORD, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("retention", sa.Integer),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
    )
    op.create_index("log_groups_name", "log_groups", ["account", "region", "name"], unique=True)
    op.create_table(
        "log_streams",
        sa.Column("id", WORD, primary_key=True),
        sa.Column("group", WORD, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("ordered", sa.Boolean, nullable=False),
    )
    op.create_index("log_streams_name", "log_streams", ["group", "name"], unique=True)
