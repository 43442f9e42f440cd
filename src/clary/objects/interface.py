"""`Objects`: what the rest of Clary asks of S3, whoever keeps the bytes. Synchronous, thread-safe.

`LocalObjects` is our own store on this machine's disk, `external.ExternalObjects` an S3 that others run.
"""

from collections.abc import Iterator
from pathlib import Path

from clary.objects.info import Origin, Stored

DEFAULT_TYPE = "binary/octet-stream"


class Objects:
    @property
    def origin(self) -> Origin | None:
        """Where objects are fetched that have no path on this machine; `None`: all have one."""
        return None

    def bucket_exists(self, account: str, bucket: str) -> bool:
        """Whether the account has this bucket."""
        raise NotImplementedError

    def find(self, bucket: str, key: str) -> Stored | None:
        """The newest version. The bucket need not exist. Raises `S3Error` for a key that no object can have."""
        raise NotImplementedError

    def list(self, bucket: str, prefix: str = "") -> Iterator[Stored]:
        """Every object whose key starts with `prefix`, in byte order of the keys."""
        raise NotImplementedError

    def has_prefix(self, bucket: str, prefix: str) -> bool:
        """Whether any key starts with `prefix`."""
        raise NotImplementedError

    def put_file(self, account: str, bucket: str, key: str, file: Path, *, content_type: str = DEFAULT_TYPE) -> Stored:
        """Move a file in. Durable on return. Raises `S3Error`.

        May be repeated after a crash: a file that is gone because it was moved in before counts as done.
        """
        raise NotImplementedError

    def delete(self, bucket: str, key: str) -> object:
        """Delete as S3 does: what is not there counts as deleted. Raises `S3Error`."""
        raise NotImplementedError
