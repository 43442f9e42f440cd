"""Buckets, their documents, object versions, multipart uploads and files to be removed."""

import sqlalchemy as sa
from alembic import op

revision = "objects_0001"
down_revision = None
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "s3_buckets",
        sa.Column("name", WORD, primary_key=True),
        sa.Column("account", WORD, nullable=False),
        sa.Column("region", WORD, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("versioning", WORD, nullable=False),
    )
    op.create_index("s3_buckets_account", "s3_buckets", ["account", "name"])
    op.create_table(
        "s3_bucket_documents",
        sa.Column("bucket", WORD, primary_key=True),
        sa.Column("name", WORD, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    _objects()
    _uploads()
    op.create_table(
        "s3_garbage",
        sa.Column("file", WORD, primary_key=True),
        sa.Column("since", sa.Double, nullable=False),
    )
    op.create_index("s3_garbage_since", "s3_garbage", ["since"])


def _objects() -> None:
    op.create_table(
        "s3_objects",
        sa.Column("bucket", WORD, primary_key=True),
        sa.Column("key", sa.LargeBinary, primary_key=True),
        sa.Column("age", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("version", WORD, nullable=False),
        sa.Column("live", sa.Boolean, nullable=False),
        sa.Column("marker", sa.Boolean, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("etag", WORD, nullable=False),
        sa.Column("modified", sa.Double, nullable=False),
        sa.Column("file", WORD, nullable=False),
        sa.Column("extra", sa.LargeBinary, nullable=False),
    )
    op.create_index("s3_objects_file", "s3_objects", ["file"])
    live = sa.text("live") if op.get_context().dialect.name == "postgresql" else sa.text("live = 1")
    op.create_index(
        "s3_objects_live", "s3_objects", ["bucket", "key"], unique=True, sqlite_where=live, postgresql_where=live
    )


def _uploads() -> None:
    op.create_table(
        "s3_uploads",
        sa.Column("id", WORD, primary_key=True),
        sa.Column("bucket", WORD, nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("started", sa.Double, nullable=False),
        sa.Column("part_size", sa.BigInteger, nullable=False),
        sa.Column("extra", sa.LargeBinary, nullable=False),
    )
    op.create_index("s3_uploads_key", "s3_uploads", ["bucket", "key", "id"])
    op.create_table(
        "s3_parts",
        sa.Column("upload", WORD, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("etag", WORD, nullable=False),
        sa.Column("modified", sa.Double, nullable=False),
        sa.Column("file", WORD, nullable=False),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sa.Column("checksums", sa.LargeBinary, nullable=False),
    )
