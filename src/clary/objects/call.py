"""One S3 request as the operations in `operations/` see it, and what they answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clary.objects.info import Bucket, ObjectInfo
from clary.objects.multipart import Uploads
from clary.objects.receive import Intake
from clary.objects.store import LocalObjects
from clary.wire.messages import Head


@dataclass(slots=True)
class Call:
    """`params` are the request's members by the model. `bucket` is checked to be the caller's, where one is named."""

    objects: LocalObjects
    uploads: Uploads
    operation: str
    params: dict[str, Any]
    head: Head
    account: str
    region: str
    key: str = ""
    named: Bucket | None = None
    intake: Intake | None = None
    """The received body of the operations that stream."""

    @property
    def bucket(self) -> Bucket:
        assert self.named is not None, f"{self.operation} names no bucket"
        return self.named

    @property
    def body(self) -> Intake:
        assert self.intake is not None, f"{self.operation} does not stream"
        return self.intake

    @property
    def headers(self) -> Mapping[str, str]:
        return self.head.named


@dataclass(slots=True)
class Answer:
    """`output` is serialised by the model. `file` is sent as the body, all of it or the stretch `part`."""

    output: dict[str, Any] = field(default_factory=dict)
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    """A body that the model cannot say."""
    file: Path | None = None
    part: tuple[int, int] | None = None


Operation = Callable[[Call], Answer]


def quoted(etag: str) -> str:
    return f'"{etag}"'


def version_of(call: Call, info: ObjectInfo) -> dict[str, Any]:
    """The version id, which only buckets that ever kept versions show."""
    return {"VersionId": info.version} if call.bucket.versioning else {}


def checksum_members(sums: Mapping[str, str]) -> dict[str, str]:
    """Checksums under the model's member names."""
    return {f"Checksum{name.upper()}": value for name, value in sums.items()}


def checksum_params(params: Mapping[str, Any]) -> dict[str, str]:
    """The reverse: what a modelled structure states, by algorithm."""
    return {
        name.removeprefix("Checksum").lower(): value
        for name, value in params.items()
        if name.startswith("Checksum") and name not in ("ChecksumAlgorithm", "ChecksumType", "ChecksumMode")
    }


def owner(account: str) -> dict[str, str]:
    """A canonical user id must be 64 hexadecimal digits; ours is the account's."""
    return {"ID": account.rjust(64, "0")}
