"""What happened to alarms."""

import sqlalchemy as sa
from alembic import op

revision = "alarms_0001"
down_revision = None
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "alarm_history",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("account", WORD, nullable=False),
        sa.Column("region", WORD, nullable=False),
        sa.Column("alarm", WORD, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("type", WORD, nullable=False),
        sa.Column("summary", WORD, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
    )
    op.create_index("alarm_history_alarm", "alarm_history", ["account", "region", "alarm", "seq"])
    op.create_index("alarm_history_at", "alarm_history", ["at"])
