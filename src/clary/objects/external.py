"""`ExternalObjects`: an S3 that others run (AWS, Ceph, MinIO, another Clary), by the same interface as our own store.

Its bytes are nowhere on this machine, so whoever wants files fetches them with `origin`'s credentials. The database
keeps which account made a bucket; buckets that were there before are the first account's.
"""

import contextlib
import functools
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from clary.objects import index
from clary.objects.errors import ERRORS, S3Error
from clary.objects.info import Bucket, Origin, Stored
from clary.objects.interface import DEFAULT_TYPE, Objects
from clary.objects.names import key_bytes
from clary.objects.tables import buckets
from clary.resources.database import Database
from clary.wire.errors import AwsError

PART_BYTES = 16 * 1024 * 1024
MOST_PARTS = 10_000
AT_ONCE = 4
"""Parts of one object on their way, each in memory."""
COPY_BYTES = 1024 * 1024

Result = TypeVar("Result")


class ExternalObjects(Objects):
    """`account` has every bucket that Clary did not make. Without a key, botocore's usual chain finds credentials."""

    def __init__(
        self, endpoint: str, region: str, account: str, store: Database, key: tuple[str, str] | None = None
    ) -> None:
        self.endpoint = endpoint
        self.region = region
        self.account = account
        self.store = store
        self._key = key
        self._session = Session()
        self._guard = threading.Lock()

    # --- who Clary is there

    @property
    def origin(self) -> Origin:
        """With credentials that are good now: those of a chain may be replaced by new ones."""
        keys = self.credentials.get_frozen_credentials()
        return Origin(
            endpoint=self.endpoint,
            region=self.region,
            access_key=keys.access_key,
            secret=keys.secret_key,
            token=keys.token or "",
        )

    @functools.cached_property
    def credentials(self) -> Any:
        """Raises `S3Error` when there are none."""
        if self._key:
            return Credentials(*self._key)
        found = self._session.get_credentials()
        if found is None:
            raise S3Error("InvalidAccessKeyId", "there are no credentials: set s3_access_key and s3_secret_key")
        return found

    @property
    def client(self) -> Any:
        """botocore's. Making one is not thread-safe, using it is."""
        with self._guard:
            return self._client

    @functools.cached_property
    def _client(self) -> Any:
        own = dict(zip(("aws_access_key_id", "aws_secret_access_key"), self._key or (), strict=False))
        if not own:
            _ = self.credentials
        # Checksums that a request does not need are what stores of other makers know least.
        config = Config(
            s3={"addressing_style": "path"},
            retries={"mode": "standard", "total_max_attempts": 4},
            connect_timeout=5,
            read_timeout=60,
            max_pool_connections=32,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        # The authorities that Python and the downloads trust, not a list of botocore's own.
        trusted = ssl.get_default_verify_paths().cafile
        place = {"region_name": self.region, "endpoint_url": self.endpoint, "verify": trusted or True}
        return self._session.create_client("s3", config=config, **place, **own)

    # --- buckets

    def owner(self, bucket: str) -> str:
        """The account that has it, if it exists."""
        with self.store.read() as conn:
            found = index.bucket(conn, bucket)
        return found.account if found else self.account

    def bucket_exists(self, account: str, bucket: str) -> bool:
        """See `Objects`."""
        return self.owner(bucket) == account and self.has_bucket(bucket)

    def has_bucket(self, bucket: str) -> bool:
        """Whether there is such a bucket that Clary may use, whoever's."""
        return self._ask(self.client.head_bucket, Bucket=bucket) is not None

    def all_buckets(self) -> "list[dict[str, Any]]":
        """As `ListBuckets` shows them, whoever's."""
        return self._do(self.client.list_buckets).get("Buckets", [])  # type: ignore[no-any-return]

    def claim(self, made: Bucket) -> bool:
        """Write down whose bucket this is, before it is made; `False` when somebody's name is there already."""
        try:
            with self.store.write() as conn:
                conn.execute(insert(buckets).values(**{name: getattr(made, name) for name in Bucket.__struct_fields__}))
        except IntegrityError:
            return False
        return True

    def disown(self, bucket: str) -> None:
        """It is gone, or was not made."""
        with self.store.write() as conn:
            index.drop_bucket(conn, bucket)

    # --- reading

    def find(self, bucket: str, key: str) -> Stored | None:
        """See `Objects`."""
        key_bytes(key)
        if not key:
            return None
        found = self._ask(self.client.head_object, Bucket=bucket, Key=key)
        return None if found is None else Stored(bucket=bucket, key=key, size=found["ContentLength"])

    def list(self, bucket: str, prefix: str = "") -> Iterator[Stored]:
        """See `Objects`."""
        more: dict[str, str] = {}
        while True:
            page = self._ask(self.client.list_objects_v2, Bucket=bucket, Prefix=prefix, **more)
            for entry in page.get("Contents", ()) if page else ():
                yield Stored(bucket=bucket, key=entry["Key"], size=entry["Size"])
            if not page or not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def has_prefix(self, bucket: str, prefix: str) -> bool:
        """See `Objects`."""
        page = self._ask(self.client.list_objects_v2, Bucket=bucket, Prefix=prefix, MaxKeys=1)
        return bool(page and page.get("Contents"))

    # --- writing

    def put_file(self, account: str, bucket: str, key: str, file: Path, *, content_type: str = DEFAULT_TYPE) -> Stored:
        """See `Objects`. Files of more than one part go as a multipart upload, some parts at once."""
        key_bytes(key)
        if self.owner(bucket) != account:
            raise S3Error("AccessDenied")
        if not file.exists() and (found := self.find(bucket, key)):
            return found
        size = file.stat().st_size
        if size > PART_BYTES:
            self._put_parts(bucket, key, file, size, content_type)
        else:
            self._do(self.client.put_object, Bucket=bucket, Key=key, Body=file.read_bytes(), ContentType=content_type)
        file.unlink()
        return Stored(bucket=bucket, key=key, size=size)

    def _put_parts(self, bucket: str, key: str, file: Path, size: int, content_type: str) -> None:
        where = {"Bucket": bucket, "Key": key}
        upload = self._do(self.client.create_multipart_upload, **where, ContentType=content_type)["UploadId"]
        step = max(PART_BYTES, -(-size // MOST_PARTS))

        def put(number: int) -> dict[str, Any]:
            with file.open("rb") as source:
                source.seek((number - 1) * step)
                body = source.read(step)
            etag = self._do(self.client.upload_part, **where, UploadId=upload, PartNumber=number, Body=body)["ETag"]
            return {"PartNumber": number, "ETag": etag}

        try:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                parts = list(pool.map(put, range(1, -(-size // step) + 1)))
            self._do(self.client.complete_multipart_upload, **where, UploadId=upload, MultipartUpload={"Parts": parts})
        except BaseException:
            with contextlib.suppress(Unavailable, S3Error):
                self._do(self.client.abort_multipart_upload, **where, UploadId=upload)
            raise

    def delete(self, bucket: str, key: str) -> None:
        """See `Objects`."""
        self._ask(self.client.delete_object, Bucket=bucket, Key=key)

    def _ask(self, call: Callable[..., Result], **params: Any) -> Result | None:
        """As `_do`; `None` for what is not there."""
        try:
            return self._do(call, **params)
        except S3Error as error:
            if error.status == 404:
                return None
            raise

    def _do(self, call: Callable[..., Result], **params: Any) -> Result:
        """Raises `S3Error` for what the store refuses, `Unavailable` when it cannot be had."""
        try:
            return call(**params)
        except ClientError as error:
            _refused(self.endpoint, error)
        except BotoCoreError as error:
            raise Unavailable(f"The external S3 at {self.endpoint} does not answer: {error}") from error


class Unavailable(AwsError):
    """The store is away, or does not know Clary: no fault of the request, which is to be tried again."""

    code, status = "ServiceUnavailable", 503


def _refused(endpoint: str, error: ClientError) -> NoReturn:
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    if status >= 500:
        raise Unavailable(f"The external S3 at {endpoint} does not answer: {error}") from error
    code = error.response["Error"]["Code"]
    fallback = {404: "NoSuchKey", 403: "AccessDenied"}.get(status, "InvalidRequest")
    raise S3Error(code if code in ERRORS else fallback, f"The external S3 says: {error}") from error
