"""Which server led last."""

import sqlalchemy as sa
from alembic import op

revision = "leader_0001"
down_revision = None
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "leader",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("machine", WORD, nullable=False),
        sa.Column("url", WORD, nullable=False),
        sa.Column("key", WORD, nullable=False),
        sa.Column("objects", WORD, nullable=False),
    )
