"""Records, their events, tags, idempotency tokens and version counters."""

import sqlalchemy as sa
from alembic import op

revision = "resources_0001"
down_revision = None
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SCOPE = ["account", "region", "kind"]


def upgrade() -> None:
    op.create_table(
        "records",
        sa.Column("id", WORD, primary_key=True),
        sa.Column("account", WORD, nullable=False),
        sa.Column("region", WORD, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("parent", WORD, nullable=False),
        sa.Column("arn", WORD, nullable=False),
        sa.Column("status", WORD, nullable=False),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("modified", sa.Double, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("due", sa.Double),
    )
    op.create_index("records_name", "records", [*SCOPE, "name", "parent"], unique=True)
    op.create_index("records_created", "records", [*SCOPE, "created", "id", "name"])
    op.create_index("records_modified", "records", [*SCOPE, "modified", "id", "name"])
    op.create_index("records_status_created", "records", [*SCOPE, "status", "created", "id"])
    op.create_index("records_status_modified", "records", [*SCOPE, "status", "modified", "id"])
    op.create_index("records_status_name", "records", [*SCOPE, "status", "name", "parent"])
    _partial("records_children", [*SCOPE, "parent", "created", "id"], "parent <> ''")
    _partial("records_arn", ["arn"], "arn <> ''", unique=True)
    _partial("records_due", ["due"], "due IS NOT NULL")
    op.create_table(
        "events",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("record", WORD, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("status", WORD, nullable=False),
        sa.Column("detail", WORD, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
    )
    op.create_index("events_record", "events", ["record", "seq"])
    op.create_table(
        "tags",
        sa.Column("record", WORD, primary_key=True),
        sa.Column("key", WORD, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "tokens",
        sa.Column("account", WORD, primary_key=True),
        sa.Column("region", WORD, primary_key=True),
        sa.Column("operation", WORD, primary_key=True),
        sa.Column("token", WORD, primary_key=True),
        sa.Column("digest", WORD, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_index("tokens_at", "tokens", ["at"])
    op.create_table(
        "counters",
        sa.Column("owner", WORD, primary_key=True),
        sa.Column("kind", WORD, primary_key=True),
        sa.Column("value", sa.Integer, nullable=False),
    )
    op.create_table(
        "secrets",
        sa.Column("name", WORD, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )


def _partial(name: str, columns: list[str], where: str, unique: bool = False) -> None:
    clause = sa.text(where)
    op.create_index(name, "records", columns, unique=unique, sqlite_where=clause, postgresql_where=clause)
