"""The object store's tables. The index is the truth; files without a row are nothing (`tree.py`).

Keys are bytes because S3 lists in byte order, and bytes sort so in SQLite and PostgreSQL alike.
"""

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, LargeBinary, Table

from clary.resources.tables import Word, metadata

buckets = Table(
    "s3_buckets",
    metadata,
    Column("name", Word, primary_key=True),
    Column("account", Word, nullable=False),
    Column("region", Word, nullable=False),
    Column("created", Double, nullable=False),
    Column("versioning", Word, nullable=False, default=""),
    Index("s3_buckets_account", "account", "name"),
)

documents = Table(
    "s3_bucket_documents",
    metadata,
    Column("bucket", Word, primary_key=True),
    Column("name", Word, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

objects = Table(
    "s3_objects",
    metadata,
    Column("bucket", Word, primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    # Minus the nanoseconds of its making, so that the newest version of a key comes first.
    Column("age", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Word, nullable=False),
    Column("live", Boolean, nullable=False),
    Column("marker", Boolean, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("etag", Word, nullable=False),
    Column("modified", Double, nullable=False),
    Column("file", Word, nullable=False),
    Column("extra", LargeBinary, nullable=False),
    Index("s3_objects_file", "file"),
)

# What plain listings and reads walk: one row per key, whatever its history. On PostgreSQL partial too, see `records`.
Index(
    "s3_objects_live",
    objects.c.bucket,
    objects.c.key,
    unique=True,
    sqlite_where=objects.c.live,
)

uploads = Table(
    "s3_uploads",
    metadata,
    Column("id", Word, primary_key=True),
    Column("bucket", Word, nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("started", Double, nullable=False),
    Column("part_size", BigInteger, nullable=False, default=0),
    Column("extra", LargeBinary, nullable=False),
    Index("s3_uploads_key", "bucket", "key", "id"),
)

parts = Table(
    "s3_parts",
    metadata,
    Column("upload", Word, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("etag", Word, nullable=False),
    Column("modified", Double, nullable=False),
    Column("file", Word, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("checksums", LargeBinary, nullable=False),
)

garbage = Table(
    "s3_garbage",
    metadata,
    Column("file", Word, primary_key=True),
    Column("since", Double, nullable=False),
    Index("s3_garbage_since", "since"),
)
