"""S3 addresses in a request: what Create says of those that lead nowhere. The `admit` of each kind of job calls it."""

from functools import cache, partial

from clary.objects import Objects, parse_uri
from clary.wire.context import Context
from clary.wire.errors import ValidationException


class Addresses:
    """Those of one request. Most name one bucket several times: it is looked up once. `role`: the job's."""

    def __init__(self, ctx: Context, role: str) -> None:
        self._objects, self._region, self._role = ctx.need(Objects), ctx.region, role
        self._has_bucket = cache(partial(self._objects.bucket_exists, ctx.account))

    def check_source(self, uri: str, *, of_folder: bool = False) -> None:
        """There is an object. `of_folder`: the address ends where a folder's name, or an object's, does."""
        bucket, key = parsed(uri)
        if not self._has_bucket(bucket):
            raise self._nothing(uri, bucket, " Error message from S3: The specified bucket does not exist")
        if not (self._has_folder(bucket, key) if of_folder else self._objects.has_prefix(bucket, key)):
            raise self._nothing(uri, bucket, "")

    def check_target(self, uri: str, what: str) -> None:
        """There is a bucket. `what`: "output" or the like."""
        bucket, _ = parsed(uri)
        if not self._has_bucket(bucket):
            raise ValidationException(
                f"Failed to access S3 {what} location {uri}. Error message from S3: The specified bucket does not exist"
            )

    def _has_folder(self, bucket: str, key: str) -> bool:
        if not key or key.endswith("/"):
            return self._objects.has_prefix(bucket, key)
        return self._objects.find(bucket, key) is not None or self._objects.has_prefix(bucket, f"{key}/")

    def _nothing(self, uri: str, bucket: str, cause: str) -> ValidationException:
        return ValidationException(
            f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket '
            f"exists in the selected region ({self._region}), that objects exist under that S3 prefix, and that the "
            f'role "{self._role}" has "s3:ListBucket" permissions on bucket "{bucket}".{cause}'
        )


def parsed(uri: str) -> tuple[str, str]:
    """Bucket and key."""
    try:
        return parse_uri(uri)
    except ValueError:
        raise ValidationException(f"{uri} is not an S3 URI.") from None
