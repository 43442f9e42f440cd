"""Uploads and their parts as values, and what completing one checks and computes of them. Pure; `multipart.py` acts."""

import hashlib
from itertools import pairwise

import msgspec

from clary.objects import checksums
from clary.objects.errors import S3Error
from clary.objects.info import Extra, PartInfo

MIN_PART_BYTES = 5 * 1024 * 1024

BODY = "body"
"""The file that the parts of an upload share."""


class Upload(msgspec.Struct, frozen=True):
    id: str
    bucket: str
    key: str
    started: float
    stride: int
    extra: Extra
    """What the object will have; `checksums` maps the chosen algorithm to an empty text until completion."""

    @property
    def algorithm(self) -> str:
        return next(iter(self.extra.checksums), "")


class Part(msgspec.Struct, frozen=True):
    number: int
    size: int
    etag: str
    modified: float
    file: str
    offset: int
    checksums: dict[str, str]


class Wanted(msgspec.Struct, frozen=True):
    """A part as the completing client names it."""

    number: int
    etag: str
    checksums: dict[str, str] = {}


def choose(stored: dict[int, Part], wanted: list[Wanted]) -> list[Part]:
    """The parts of the object, checked against what the client says they are."""
    numbers = [entry.number for entry in wanted]
    if not wanted:
        raise S3Error("MalformedXML")
    if any(after <= before for before, after in pairwise(numbers)):
        raise S3Error("InvalidPartOrder")
    for entry in wanted:
        part = stored.get(entry.number)
        if part is None or part.etag != entry.etag.strip('"') or not _agrees(entry.checksums, part.checksums):
            raise S3Error("InvalidPart", PartNumber=str(entry.number), ETag=entry.etag)
    for number in numbers[:-1]:
        if stored[number].size < MIN_PART_BYTES:
            size, least = str(stored[number].size), str(MIN_PART_BYTES)
            raise S3Error("EntityTooSmall", ProposedSize=size, MinSizeAllowed=least, PartNumber=str(number))
    return [stored[number] for number in numbers]


def _agrees(stated: dict[str, str], stored: dict[str, str]) -> bool:
    return all(stored.get(name, value) == value for name, value in stated.items())


def fills_body(stored: dict[int, Part], chosen: list[Part]) -> bool:
    """Whether the shared body is exactly the chosen parts, and holds no other that a retry may want."""
    end = 0
    for part in chosen:
        if part.file != BODY or part.offset != end:
            return False
        end += part.size
    return sum(part.file == BODY for part in stored.values()) == len(chosen)


def etag_of(chosen: list[Part]) -> str:
    """S3's: the MD5 of the parts' MD5s, and how many."""
    joined = b"".join(bytes.fromhex(part.etag) for part in chosen)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(chosen)}"


def whole(upload: Upload, chosen: list[Part]) -> Extra:
    """The object's extra: the upload's, with the checksum of the whole and the sizes of the parts."""
    kind, name = upload.extra.checksum_type, upload.algorithm
    values = [(part.checksums[name], part.size) for part in chosen if name in part.checksums]
    sums = {name: checksums.of_parts(name, kind, values)} if name and len(values) == len(chosen) else {}
    sizes = tuple(PartInfo(part.number, part.size, part.checksums) for part in chosen)
    return msgspec.structs.replace(upload.extra, checksums=sums, parts=sizes, upload=upload.id)


def check_whole(extra: Extra, chosen: list[Part], stated: dict[str, str], size: int | None) -> None:
    """`extra` of the object against the checksums and the size that the client knows of it.

    Raises `InvalidRequest` and `BadDigest`; a checksum that cannot be checked is not passed for checked.
    """
    if size is not None and size != sum(part.size for part in chosen):
        raise S3Error("InvalidRequest", "The provided 'x-amz-mp-object-size' header does not match what was computed.")
    for name, value in stated.items():
        if name not in extra.checksums:
            known = ", ".join(extra.checksums) or "null"
            words = f"Checksum Type mismatch occurred, expected checksum Type: {known}, actual checksum Type: {name}"
            raise S3Error("InvalidRequest", words)
        if extra.checksums[name].partition("-")[0] != value.partition("-")[0]:
            raise S3Error("BadDigest", f"The {name.upper()} you specified did not match the calculated checksum.")
